"""Steps that programs around torrents take, each in a process of its own: step, port, torrent file, hash, directory."""

import sys

from transmission_rpc import Client

step, port, path, info_hash, downloads = sys.argv[1:]
client = Client(host="127.0.0.1", port=int(port))


def add():
    session = client.get_session()
    assert session.version.startswith("4."), session.version
    assert session.rpc_version >= 17, session.rpc_version
    assert session.download_dir == downloads, session.download_dir
    assert client.get_torrents() == []
    with open(path, "rb") as torrent:
        content = torrent.read()
    added = client.add_torrent(content, paused=True, labels=["tv-sonarr"], download_dir=downloads + "/sonarr")
    assert (added.hash_string, added.name, added.id) == (info_hash, "album", 1), added
    again = client.add_torrent(content)
    assert again.hash_string == info_hash, again


def change():
    client.change_torrent(info_hash, seed_ratio_limit=1.25, seed_ratio_mode=1, seed_idle_limit=10, seed_idle_mode=1)
    client.change_torrent(info_hash, upload_limit=40, upload_limited=True, labels=["tv-sonarr", "done"])
    client.queue_top(info_hash)
    client.queue_bottom([1])
    client.queue_up(1)
    client.queue_down(1)
    torrent = client.get_torrent(info_hash)
    assert torrent.seed_ratio_limit == 1.25 and torrent.seed_ratio_mode.name == "Single", torrent.fields
    assert torrent.seed_idle_limit == 10, torrent.fields
    assert (torrent.upload_limited, torrent.upload_limit, torrent.download_limited) == (True, 40, False)
    assert torrent.status.stopped and torrent.queue_position == 0
    names = {file.name for file in torrent.get_files()}
    assert names == {"album/one.flac", "album/three.mp3", "album/notes/read me.txt"}, names
    client.change_torrent(1, files_unwanted=[0])
    assert client.get_torrent(1).wanted[0] in (0, False)
    client.change_torrent(1, files_wanted=[0], priority_high=[0])
    client.change_torrent(1, tracker_list=[["http://127.0.0.1:9/announce"]])
    assert client.get_torrent(1).tracker_list == ["http://127.0.0.1:9/announce"]


def start():
    client.start_torrent(info_hash)
    client.reannounce_torrent(info_hash)
    torrent = client.get_torrent(info_hash)
    assert not torrent.status.stopped, torrent.status


def complete():
    fields = ["id", "hashString", "name", "downloadDir", "totalSize", "leftUntilDone", "isFinished", "eta", "status"]
    fields += ["secondsDownloading", "secondsSeeding", "errorString", "uploadedEver", "downloadedEver", "seedRatioLimit"]
    fields += ["seedRatioMode", "seedIdleLimit", "seedIdleMode", "fileCount", "file-count", "labels", "percentDone"]
    torrents, removed = client.get_recently_active_torrents(arguments=fields)
    assert len(torrents) == 1 and removed == [], (torrents, removed)
    torrent = torrents[0]
    assert torrent.left_until_done == 0 and torrent.status.seeding and torrent.error_string == "", torrent.fields
    assert torrent.percent_done == 1.0 and torrent.total_size >= 351000, torrent.fields
    assert torrent.downloaded_ever >= 351000, torrent.fields
    client.verify_torrent(info_hash)


def session():
    stats = client.session_stats()
    assert stats.torrent_count == 1 and stats.current_stats.downloaded_bytes >= 351000, stats
    client.set_session(speed_limit_up=200, speed_limit_up_enabled=True)
    assert client.get_session().speed_limit_up == 200
    assert client.free_space(downloads) > 0
    client.rename_torrent_path(info_hash, "album/three.mp3", "drei.mp3")
    names = {file.name for file in client.get_torrent(info_hash).get_files()}
    assert "album/drei.mp3" in names, names


def remove():
    client.remove_torrent(info_hash, delete_data=True)


{"add": add, "change": change, "start": start, "complete": complete, "session": session, "remove": remove}[step]()

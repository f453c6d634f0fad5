"""Steps that programs around torrents take, each in a process of its own: step, port, token, torrent file, hash, directory."""

import sys

import qbittorrentapi
from qbittorrentapi import Client

step, port, token, path, info_hash, downloads = sys.argv[1:]


def client(password=token):
    return Client(host="127.0.0.1", port=int(port), username="anybody", password=password)


qbt = client()
with open(path, "rb") as torrent_file:
    content = torrent_file.read()


def only():
    torrents = qbt.torrents_info()
    assert len(torrents) == 1, torrents
    return torrents[0]


def sonarr_tests_the_connection():
    try:
        client("adminadmin").auth_log_in()
        raise AssertionError("there is no default password")
    except qbittorrentapi.LoginFailed:
        pass
    qbt.auth_log_in()
    assert qbt.is_logged_in
    assert qbt.app_version() == "v5.1.4", qbt.app_version()
    assert qbt.app_web_api_version() == "2.11.4", qbt.app_web_api_version()
    preferences = qbt.app_preferences()
    assert preferences.save_path == downloads == qbt.app_default_save_path(), preferences
    assert preferences.queueing_enabled and preferences.max_ratio_act == 0 and not preferences.max_ratio_enabled
    assert isinstance(preferences.dht, bool)
    assert qbt.torrents_info() == []
    assert qbt.torrents_categories() == {}
    qbt.torrents_create_category("tv-sonarr", save_path="shows")
    assert qbt.torrents_categories()["tv-sonarr"].savePath == "shows"
    qbt.auth_log_out()
    assert not qbt.is_logged_in


def sonarr_grabs():
    added = qbt.torrents_add(
        torrent_files=content, category="tv-sonarr", is_stopped=True, ratio_limit=1.25, content_layout="Original"
    )
    assert added == "Ok.", added
    assert qbt.torrents_properties(info_hash).save_path == downloads + "/shows"
    qbt.torrents_set_share_limits(
        ratio_limit=1.25, seeding_time_limit=120, inactive_seeding_time_limit=-2, torrent_hashes=info_hash
    )
    qbt.torrents_top_priority(info_hash)
    try:
        qbt.torrents_properties("0" * 40)
        raise AssertionError("there is no such torrent")
    except qbittorrentapi.NotFound404Error:
        pass
    magnet = "magnet:?xt=urn:btih:" + "1" * 40 + "&dn=episode"
    assert qbt.torrents_add(urls=magnet, category="tv-sonarr") == "Ok."
    qbt.torrents_set_force_start(enable=True, torrent_hashes="1" * 40)
    (episode,) = qbt.torrents_info(torrent_hashes="1" * 40)
    assert episode.state == "forcedMetaDL" and episode.force_start and not episode.has_metadata, episode
    assert len(qbt.torrents_info(category="tv-sonarr")) == 2
    qbt.torrents_delete(delete_files=True, torrent_hashes="1" * 40)


def sonarr_starts():
    torrent = only()
    assert torrent.state == "stoppedDL" and torrent.state_enum.is_stopped, torrent
    assert torrent.size >= 351000 and torrent.progress == 0 and torrent.eta == 8640000, torrent
    assert (torrent.ratio_limit, torrent.seeding_time_limit, torrent.priority) == (1.25, 120, 1), torrent
    qbt.torrents_start(info_hash)


def sonarr_imports():
    (torrent,) = qbt.torrents_info(category="tv-sonarr")
    assert torrent.hash == info_hash and torrent.state in ("uploading", "stalledUP"), torrent
    assert torrent.progress == 1 and torrent.amount_left == 0 and torrent.completion_on > 1600000000, torrent
    assert torrent.content_path == downloads + "/shows/album", torrent
    assert torrent.save_path == downloads + "/shows", torrent
    names = {file.name: file.progress for file in qbt.torrents_files(info_hash)}
    assert names == {"album/one.flac": 1, "album/three.mp3": 1, "album/notes/read me.txt": 1}, names
    try:
        qbt.torrents_set_category("imported", torrent_hashes=info_hash)
        raise AssertionError("there is no such category")
    except qbittorrentapi.Conflict409Error:
        pass
    qbt.torrents_create_category("imported")
    qbt.torrents_set_category("imported", torrent_hashes=info_hash)


def sonarr_removes():
    qbt.torrents_delete(delete_files=True, torrent_hashes=info_hash)


def autobrr_pushes():
    added = qbt.torrents_add(
        torrent_files={"album.torrent": content},
        save_path=downloads,
        use_auto_torrent_management=False,
        tags=["autobrr", "new"],
        upload_limit=400000,
        download_limit=900000,
        is_first_last_piece_priority=True,
    )
    assert added == "Ok.", added
    torrent = only()
    assert torrent.f_l_piece_prio and torrent.up_limit == 400000 and torrent.dl_limit == 900000, torrent
    assert torrent.infohash_v1 == info_hash and len(torrent.infohash_v2) == 64, torrent
    assert len(qbt.torrents_info(status_filter="downloading")) == 1
    assert len(qbt.torrents_info(status_filter="stalled_uploading")) == 0
    assert qbt.torrents_trackers(info_hash)[0].url == "** [DHT] **"
    qbt.torrents_reannounce(info_hash)
    assert qbt.transfer_info().connection_status in ("connected", "firewalled")


def cross_seed_looks_and_lets_go():
    qbt.torrents_create_tags("cross-seed")
    assert "cross-seed" in qbt.torrents_tags()
    (torrent,) = qbt.torrents_info(torrent_hashes=info_hash)
    assert torrent.save_path == downloads and torrent.content_path == downloads + "/album", torrent
    assert qbt.torrents_export(info_hash).startswith(b"d")
    qbt.torrents_delete(delete_files=False, torrent_hashes=info_hash)


def cross_seed_injects_and_rechecks():
    added = qbt.torrents_add(
        torrent_files=content,
        save_path=downloads,
        download_path=downloads,
        use_auto_torrent_management=False,
        tags="cross-seed",
        content_layout="Original",
        is_skip_checking=False,
        is_stopped=True,
    )
    assert added == "Ok.", added
    qbt.torrents_pause(info_hash)
    qbt.torrents_recheck(info_hash)


def cross_seed_resumes():
    torrent = only()
    assert torrent.state == "stoppedUP" and torrent.amount_left == 0 and torrent.tags == "cross-seed", torrent
    qbt.torrents_resume(info_hash)


def flood_adds_and_edits():
    added = qbt.torrents_add(torrent_files=content, is_stopped=True, is_sequential_download=True, tags="music,flood")
    assert added == "Ok.", added
    main = qbt.sync.maindata.delta()
    assert main.full_update and set(main.torrents) == {info_hash} and main.torrents[info_hash].seq_dl, main
    assert sorted(main.tags) == ["flood", "music"] and main.categories == {} and main.trackers == {}, main
    tracker = "http://127.0.0.1:9/announce"
    qbt.torrents_add_trackers(info_hash, urls=[tracker, "udp://127.0.0.1:9"])
    qbt.torrents_edit_tracker(info_hash, original_url=tracker, new_url=tracker + "?a")
    qbt.torrents_remove_trackers(info_hash, urls=["udp://127.0.0.1:9"])
    assert [one.url for one in qbt.torrents_trackers(info_hash)][3:] == [tracker + "?a"]
    qbt.torrents_remove_tags(tags="flood", torrent_hashes=info_hash)
    qbt.torrents_toggle_sequential_download(info_hash)
    qbt.torrents_file_priority(info_hash, file_ids=[0, 1], priority=0)
    qbt.torrents_file_priority(info_hash, file_ids=[0, 1], priority=6)
    main = qbt.sync.maindata.delta()
    assert not main.get("full_update") and main.trackers == {tracker + "?a": [info_hash]}, main
    assert main.torrents[info_hash].tags == "music" and not main.torrents[info_hash].seq_dl, main
    assert "name" not in main.torrents[info_hash], main
    qbt.torrents_rename_file(info_hash, old_path="album/three.mp3", new_path="album/drei.mp3")
    assert {file.name for file in qbt.torrents_files(info_hash)} >= {"album/drei.mp3"}
    qbt.torrents_rename(info_hash, new_torrent_name="Record")
    assert only().name == "Record"
    qbt.torrents_set_location(downloads + "/flood", torrent_hashes=info_hash)
    qbt.torrents_bottom_priority(info_hash)
    qbt.torrents_set_super_seeding(enable=True, torrent_hashes=info_hash)
    assert only().super_seeding
    qbt.torrents_set_super_seeding(enable=False, torrent_hashes=info_hash)


def flood_starts():
    qbt.torrents_start(info_hash)


def flood_shows():
    torrent = only()
    assert torrent.save_path == downloads + "/flood" and torrent.downloaded >= 351000, torrent
    properties = qbt.torrents_properties(info_hash)
    assert properties.pieces_have == properties.pieces_num > 0 and properties.total_downloaded >= 351000, properties
    assert set(qbt.torrents_piece_states(info_hash)) == {2}
    peers = qbt.sync_torrent_peers(info_hash)
    assert peers.full_update and all(peer.ip == "127.0.0.1" for peer in peers.peers.values()), peers
    assert qbt.sync_torrent_peers(info_hash, rid=peers.rid).get("full_update") is None
    info = qbt.transfer_info()
    assert info.dl_info_data >= 351000 and info.dl_rate_limit == 0, info
    state = qbt.sync_maindata().server_state
    assert state.alltime_dl >= 351000 and state.free_space_on_disk > 0, state
    qbt.app_set_preferences({"up_limit": 50000})
    try:
        qbt.app_set_preferences({"autorun_enabled": True})
        raise AssertionError("no program is run")
    except qbittorrentapi.Conflict409Error:
        pass


globals()[step]()

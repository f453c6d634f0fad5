"""Drives libtorrent for the interoperability tests.

    libtorrent_client.py create CONTENT VERSION FILE.torrent    (VERSION: v1, v2 or hybrid)
    libtorrent_client.py dht    NODE put VALUE|get TARGET|put-mutable SEED KEY VALUE|get-mutable KEY
    libtorrent_client.py run    FILE.torrent|MAGNET DIRECTORY ADDRESS [OPTION...]

`create` prints the 20 bytes under which trackers and handshakes know the torrent, in hex, one line for each info-hash.
`run` listens at the address and takes part in the torrent. It prints "connected" once it has a connection, and "complete"
once it has everything. It ends when its input does, hence with whoever started it.
"""

import argparse
import hashlib
import os
import sys
import time

import libtorrent as lt

CREATE_FLAGS = {
    "v1": lt.create_torrent.v1_only,
    "v2": lt.create_torrent.v2_only,
    "hybrid": 0,
}

# Plain TCP between the peers that we are told of, and nothing else. Limits hold on loopback, too.
SETTINGS = {
    "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification,
    "allow_multiple_connections_per_ip": True,
    "enable_dht": False,
    "enable_incoming_utp": False,
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_upnp": False,
    "ignore_limits_on_local_network": False,
    "in_enc_policy": int(lt.enc_policy.pe_enabled),
    "min_reconnect_time": 1,
    "out_enc_policy": int(lt.enc_policy.pe_disabled),
}


def settings(listen, node, local_discovery=False):
    """Everything is off but plain TCP and what is asked for. The DHT is entered by the node; if that is empty, by those of
    a torrent."""
    chosen = {**SETTINGS, "listen_interfaces": listen, "enable_lsd": local_discovery}
    if node is not None:
        # All nodes of the test share one address.
        chosen.update({
            "alert_mask": chosen["alert_mask"] | lt.alert.category_t.dht_notification,
            "dht_announce_interval": 3,
            "dht_bootstrap_nodes": node,
            "dht_ignore_dark_internet": False,
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "enable_dht": True,
        })
    return chosen


def dht(node, question, *arguments):
    session = lt.session(settings("127.0.0.1:0", node))
    deadline = time.time() + 30
    asked = 0
    while time.time() < deadline:
        # The first attempts may come before the node has entered the network.
        if time.time() - asked > 2:
            asked = time.time()
            if question == "put":
                target = session.dht_put_immutable_item(arguments[0])
            elif question == "get":
                session.dht_get_immutable_item(lt.sha1_hash(bytes.fromhex(arguments[0])))
            elif question == "put-mutable":
                seed, public, value = arguments
                # The form in which libtorrent wants a secret key: RFC 8032, 5.1.5.
                secret = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest())
                secret[0] &= 248
                secret[31] = secret[31] & 63 | 64
                session.dht_put_mutable_item(bytes(secret), bytes.fromhex(public), value.encode(), b"")
            else:
                session.dht_get_mutable_item(bytes.fromhex(arguments[0]), b"")
        session.wait_for_alert(100)
        for alert in session.pop_alerts():
            print(alert.message(), file=sys.stderr, flush=True)
            if isinstance(alert, lt.dht_put_alert) and alert.num_success > 0:
                return print(target if question == "put" else "stored")
            if isinstance(alert, (lt.dht_immutable_item_alert, lt.dht_mutable_item_alert)) and alert.item:
                item = alert.item["value"] if isinstance(alert.item, dict) else alert.item
                return print(item.decode() if isinstance(item, bytes) else item)
    sys.exit("no answer from the DHT")


def create(content, version, torrent):
    content = os.path.abspath(content)
    if hasattr(lt, "list_files"):
        files = lt.list_files(content)
    else:  # before 2.1
        files = lt.file_storage()
        lt.add_files(files, content)
    maker = lt.create_torrent(files, flags=CREATE_FLAGS[version])
    lt.set_piece_hashes(maker, os.path.dirname(content))
    with open(torrent, "wb") as output:
        output.write(lt.bencode(maker.generate()))
    hashes = lt.torrent_info(torrent).info_hashes()
    if hashes.has_v1():
        print(hashes.v1)
    if hashes.has_v2():
        print(str(hashes.v2)[:40])


def what_is_known(torrent):
    if torrent.startswith("magnet:"):
        return lt.parse_magnet_uri(torrent)
    if hasattr(lt, "load_torrent_file"):
        return lt.load_torrent_file(torrent)
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    return parameters


def is_connected(handle):
    incomplete = lt.peer_info.connecting | lt.peer_info.handshake
    return any(not peer.flags & incomplete for peer in handle.get_peer_info())


def run(arguments):
    parser = argparse.ArgumentParser(prog="libtorrent_client.py run")
    parser.add_argument("torrent")
    parser.add_argument("directory")
    parser.add_argument("address")
    parser.add_argument("--dht", metavar="NODE", help="enter the DHT by this node, or by those of the torrent if it is empty")
    parser.add_argument("--download-limit", type=int, default=0, help="bytes per second")
    parser.add_argument("--lsd", choices=["hear", "both"], help="hear whom the local network has, and speak to it")
    parser.add_argument("--peer", action="append", default=[], help="connect to this peer")
    parser.add_argument("--pex", action="store_true", help="believe what peers say of others, and tell them")
    options = parser.parse_args(arguments)

    session = lt.session(settings(options.address, options.dht, options.lsd is not None))
    parameters = what_is_known(options.torrent)
    parameters.save_path = options.directory
    parameters.download_limit = options.download_limit
    if options.lsd == "hear":
        parameters.flags |= lt.torrent_flags.disable_lsd
    if not options.pex:
        parameters.flags |= lt.torrent_flags.disable_pex
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(parameters)
    for peer in options.peer:
        host, _, port = peer.rpartition(":")
        handle.connect_peer((host, int(port)))
    os.set_blocking(sys.stdin.fileno(), False)
    connected = complete = False
    while sys.stdin.buffer.raw.read(1) != b"":
        session.wait_for_alert(50)
        for alert in session.pop_alerts():
            print(alert.message(), file=sys.stderr, flush=True)
        if not connected and is_connected(handle):
            connected = True
            print("connected", flush=True)
        if not complete and handle.status().is_seeding:
            complete = True
            print("complete", flush=True)
        time.sleep(0.05)


def main(arguments):
    if arguments[0] == "create":
        create(*arguments[1:])
    elif arguments[0] == "dht":
        dht(*arguments[1:])
    else:
        run(arguments[1:])


main(sys.argv[1:])

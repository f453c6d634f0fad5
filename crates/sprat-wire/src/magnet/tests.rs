use super::*;

const V1: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn the_shortest_link_is_an_info_hash() {
    let magnet: Magnet = format!("magnet:?xt=urn:btih:{V1}").parse().unwrap();
    assert_eq!(magnet.info_hashes.v1(), Some(V1.parse().unwrap()));
    assert_eq!(magnet, Magnet::new(magnet.info_hashes));
}

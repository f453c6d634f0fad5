use super::*;

#[test]
fn reads_what_bep_3_shows() {
    let document = Document::decode(b"d4:spaml1:a1:bee", Limits::TORRENT).unwrap();
    let list: Vec<_> =
        document.as_dict().unwrap().list("spam").unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    assert_eq!(list, ["a", "b"]);
}

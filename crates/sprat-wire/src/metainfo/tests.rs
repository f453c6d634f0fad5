use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::bencode::Encoder;

/// A bencoded value that tests can damage.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Dict(BTreeMap<Vec<u8>, Self>),
}

impl Node {
    fn dict<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Dict(entries.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value)).collect())
    }

    fn strings(strings: &[&str]) -> Self {
        Self::List(strings.iter().map(|string| Self::from(*string)).collect())
    }

    fn entries(&mut self) -> &mut BTreeMap<Vec<u8>, Self> {
        let Self::Dict(entries) = self else { panic!("not a dictionary") };
        entries
    }

    fn at(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        self.entries().get_mut(key.as_ref()).unwrap()
    }

    fn set(&mut self, key: impl AsRef<[u8]>, value: impl Into<Self>) {
        self.entries().insert(key.as_ref().to_vec(), value.into());
    }

    fn without(&mut self, key: &str) {
        self.entries().remove(key.as_bytes()).unwrap();
    }

    fn write(&self, encoder: &mut Encoder) {
        match self {
            Self::Int(value) => drop(encoder.int(*value)),
            Self::Bytes(bytes) => drop(encoder.bytes(bytes)),
            Self::List(list) => {
                encoder.begin_list();
                list.iter().for_each(|value| value.write(encoder));
                encoder.end();
            }
            Self::Dict(dict) => {
                encoder.begin_dict();
                for (key, value) in dict {
                    encoder.key(key);
                    value.write(encoder);
                }
                encoder.end();
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        self.write(&mut encoder);
        encoder.finish()
    }

    fn parse(&self) -> Result<Metainfo, MetainfoError> {
        Metainfo::parse(&self.bytes())
    }

    /// The error without its type: what a user reads.
    fn error(&self) -> String {
        self.parse().unwrap_err().to_string()
    }
}

impl From<i64> for Node {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Node {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

const PIECE: i64 = 32 * 1024;

fn root_of(seed: u8) -> Sha256Hash {
    Sha256Hash::digest(&[seed])
}

fn v1_single(length: i64) -> Node {
    let pieces = usize::try_from((length + PIECE - 1) / PIECE).unwrap();
    let info = Node::dict([
        ("length", length.into()),
        ("name", "file.bin".into()),
        ("piece length", PIECE.into()),
        ("pieces", vec![7; pieces * 20].into()),
    ]);
    Node::dict([("info", info)])
}

fn v1_file(length: i64, path: &[&str]) -> Node {
    Node::dict([("length", length.into()), ("path", Node::strings(path))])
}

fn pad_file(length: i64) -> Node {
    let mut file = v1_file(length, &[".pad", &length.to_string()]);
    file.set("attr", "p");
    file
}

/// Files of together at most one piece.
fn v1_multi(files: Vec<Node>) -> Node {
    let info = Node::dict([
        ("files", Node::List(files)),
        ("name", "dir".into()),
        ("piece length", PIECE.into()),
        ("pieces", vec![7; 20].into()),
    ]);
    Node::dict([("info", info)])
}

fn v2_file(length: i64, root: Sha256Hash) -> Node {
    Node::dict([("", Node::dict([("length", length.into()), ("pieces root", root.0.to_vec().into())]))])
}

/// Two files: `a` of three pieces, `d/b` of less than one.
fn v2() -> Node {
    let layer: Vec<Sha256Hash> = (0..3).map(root_of).collect();
    let root = merkle::root_of_piece_layer(&layer, PIECE as u32);
    let tree = Node::dict([
        ("a", v2_file(2 * PIECE + 1, root)),
        ("d", Node::dict([("b", v2_file(PIECE - 1, root_of(9)))])),
    ]);
    let info = Node::dict([
        ("file tree", tree),
        ("meta version", 2.into()),
        ("name", "dir".into()),
        ("piece length", PIECE.into()),
    ]);
    let mut layers = Node::dict([]);
    layers.set(root, layer.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>());
    Node::dict([("info", info), ("piece layers", layers)])
}

fn hybrid() -> Node {
    let mut torrent = v2();
    let files = vec![v1_file(2 * PIECE + 1, &["a"]), pad_file(PIECE - 1), v1_file(PIECE - 1, &["d", "b"])];
    torrent.at("info").set("files", Node::List(files));
    torrent.at("info").set("pieces", vec![7; 4 * 20]);
    torrent
}

fn files_of(torrent: &mut Node) -> &mut Vec<Node> {
    let Node::List(files) = torrent.at("info").at("files") else { panic!("not a list") };
    files
}

#[test]
fn a_v1_file_is_read() {
    let metainfo = v1_single(PIECE + 1).parse().unwrap();
    let info = &metainfo.info;
    assert_eq!((info.version, info.single_file, info.name.as_str()), (Version::V1, true, "file.bin"));
    assert_eq!((info.total_length(), info.piece_count()), (PIECE as u64 + 1, 2));
    assert_eq!(metainfo.v1_piece_hash(1), Some(Sha1Hash([7; 20])));
    assert_eq!(metainfo.v1_piece_hash(2), None);
    assert_eq!(metainfo.file_layer(0), None);
    assert_eq!(
        metainfo.info_hashes,
        InfoHashes::new(Some(Sha1Hash::digest(&metainfo.info_bytes)), None).unwrap()
    );
    let bare = Metainfo::from_info_bytes(metainfo.info_bytes.clone()).unwrap();
    assert_eq!(bare, metainfo);
    assert_eq!(Metainfo::parse(&bare.encode()), Ok(bare));
}

#[test]
fn a_v2_file_is_read_with_its_layers() {
    let metainfo = v2().parse().unwrap();
    let info = &metainfo.info;
    assert_eq!((info.version, info.single_file), (Version::V2, false));
    let paths: Vec<&str> = info.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["dir/a", "dir/d/b"]);
    assert_eq!(
        (info.total_length(), info.piece_count()),
        (3 * PIECE as u64, 4),
        "each file begins with a new piece"
    );
    let long = metainfo.file_layer(0).unwrap();
    assert_eq!((long.pieces.len(), long.leaves), (3, 2));
    assert_eq!(metainfo.v2_piece_root(0, 2), Some(PieceRoot { hash: root_of(2), leaves: 2 }));
    assert_eq!(metainfo.v2_piece_root(0, 3), None);
    assert_eq!(metainfo.v2_piece_root(1, 0), Some(PieceRoot { hash: root_of(9), leaves: 2 }));
    assert_eq!(metainfo.v2_piece_root(2, 0), None);

    let bare = Metainfo::from_info_bytes(metainfo.info_bytes.clone()).unwrap();
    assert_eq!(bare.file_layer(0), None, "peers have to be asked");
    assert!(bare.file_layer(1).is_some());
}

#[test]
fn a_short_v2_file_has_the_leaves_it_needs() {
    for (length, leaves) in
        [(1, 1), (16 * 1024, 1), (16 * 1024 + 1, 2), (4 * PIECE, 8), (5 * PIECE, 16), (8 * PIECE, 16)]
    {
        let mut torrent = v2();
        torrent.at("info").set("piece length", 8 * PIECE);
        torrent.at("info").set("file tree", Node::dict([("a", v2_file(length, root_of(1)))]));
        torrent.set("piece layers", Node::dict([]));
        assert_eq!(torrent.parse().unwrap().file_layer(0).unwrap().leaves, leaves, "{length} bytes");
    }
}

#[test]
fn a_hybrid_has_one_list_of_files_with_both_hashes() {
    let metainfo = hybrid().parse().unwrap();
    let info = &metainfo.info;
    assert_eq!(info.version, Version::Hybrid);
    let files: Vec<_> = info.files.iter().map(|file| (file.path.as_str(), file.attributes.pad)).collect();
    assert_eq!(files, [("dir/a", false), ("dir/.pad/32767", true), ("dir/d/b", false)]);
    assert_eq!(info.files[1].pieces_root, None);
    assert_eq!(info.files[2].pieces_root, Some(root_of(9)));
    assert_eq!(info.piece_count(), 4);
    assert!(metainfo.info_hashes.v1().is_some() && metainfo.info_hashes.v2().is_some());
    assert!(metainfo.file_layer(0).is_some() && metainfo.v1_piece_hash(3).is_some());

    let mut padded_end = hybrid();
    files_of(&mut padded_end).push(pad_file(1));
    assert_eq!(padded_end.parse().unwrap().info.piece_count(), 4);
}

#[test]
fn v2_single_files_are_told_from_directories_by_their_name() {
    let mut torrent = v2();
    torrent.set("piece layers", Node::dict([]));
    torrent.at("info").set("file tree", Node::dict([("dir", v2_file(1, root_of(1)))]));
    let info = torrent.parse().unwrap().info;
    assert_eq!((info.single_file, info.files[0].path.as_str()), (true, "dir"));
    torrent.at("info").set("file tree", Node::dict([("other", v2_file(1, root_of(1)))]));
    let info = torrent.parse().unwrap().info;
    assert_eq!((info.single_file, info.files[0].path.as_str()), (false, "dir/other"));
}

#[test]
fn what_stands_beside_the_info_is_read_leniently() {
    let mut torrent = v1_single(1);
    torrent.set("announce", "http://t/announce");
    let parsed = torrent.parse().unwrap();
    assert_eq!(parsed.trackers, [["http://t/announce"]]);

    torrent.set(
        "announce-list",
        Node::List(vec![
            Node::strings(&["http://a", " udp://b ", ""]),
            Node::List(vec![]),
            "http://c".into(),
            5.into(),
        ]),
    );
    torrent.set("url-list", "http://seed/");
    torrent.set("creation date", 1_700_000_000);
    torrent.set("comment", vec![b'a', 0xff]);
    torrent.set("created by", "x/1.0");
    torrent.set(
        "nodes",
        Node::List(vec![
            Node::List(vec!["host".into(), 6881.into()]),
            Node::List(vec!["host".into(), 65536.into()]),
            Node::List(vec!["host".into()]),
            "host".into(),
        ]),
    );
    let parsed = torrent.parse().unwrap();
    assert_eq!(parsed.trackers, [vec!["http://a", "udp://b"], vec!["http://c"]], "the list replaces the one");
    assert_eq!(parsed.web_seeds, ["http://seed/"]);
    assert_eq!(parsed.creation_date, Some(1_700_000_000));
    assert_eq!(parsed.comment.as_deref(), Some("a\u{fffd}"));
    assert_eq!(parsed.created_by.as_deref(), Some("x/1.0"));
    assert_eq!(parsed.nodes, [("host".to_owned(), 6881)]);

    torrent.set("url-list", Node::List(vec!["http://1".into(), 2.into(), "http://3".into()]));
    assert_eq!(torrent.parse().unwrap().web_seeds, ["http://1", "http://3"]);
    for key in ["announce", "announce-list", "url-list", "nodes", "comment", "created by", "creation date"] {
        for odd in [Node::List(vec![]), Node::dict([]), 7.into(), "".into(), "\u{1b}[2J".into()] {
            let mut torrent = v1_single(1);
            torrent.set(key, odd);
            assert_eq!(torrent.parse().unwrap().info, parsed.info, "{key}");
        }
    }
    let many = Node::List((0..2000).map(|number| Node::from(&*format!("http://{number}"))).collect());
    torrent.set("announce-list", Node::List(vec![many.clone(), many.clone()]));
    torrent.set("url-list", many);
    let parsed = torrent.parse().unwrap();
    assert_eq!((parsed.trackers.concat().len(), parsed.web_seeds.len()), (1000, 1000));
}

#[test]
fn fields_of_the_info_dictionary_are_read() {
    let mut torrent = v1_single(1);
    torrent.at("info").set("attr", "hx?");
    torrent.at("info").set("collections", Node::strings(&["one", "two"]));
    torrent.at("info").set("similar", Node::List(vec![vec![1; 20].into(), vec![2; 19].into()]));
    torrent.at("info").set("source", "s");
    let info = torrent.parse().unwrap().info;
    assert_eq!(
        info.files[0].attributes,
        Attributes { hidden: true, executable: true, ..Attributes::default() }
    );
    assert_eq!(info.collections, ["one", "two"]);
    assert_eq!(info.similar, [Sha1Hash([1; 20])]);
    for (value, private) in [(Node::Int(0), false), (1.into(), true), (2.into(), true), ("1".into(), true)] {
        torrent.at("info").set("private", value);
        assert_eq!(torrent.parse().unwrap().info.private, private);
    }
}

#[test]
fn utf8_names_win_over_legacy_ones() {
    let mut file = Node::dict([("length", 1.into()), ("path", Node::List(vec![vec![0xe9].into()]))]);
    file.set("path.utf-8", Node::strings(&["é"]));
    let mut torrent = v1_multi(vec![file]);
    torrent.at("info").set("name", vec![0xe0]);
    torrent.at("info").set("name.utf-8", "à");
    assert_eq!(torrent.parse().unwrap().info.files[0].path, "à/é");
    torrent.at("info").set("name.utf-8", vec![0xff]);
    assert_eq!(torrent.parse().unwrap().info.name, "%E0");
}

#[test]
fn renamed_files_remember_what_they_were_called() {
    let torrent = v1_multi(vec![
        v1_file(1, &["..", "..", "etc", "passwd"]),
        v1_file(1, &["a"]),
        v1_file(1, &["A"]),
        v1_file(1, &["/abs"]),
        v1_file(1, &["back\\slash"]),
    ]);
    let info = torrent.parse().unwrap().info;
    let paths: Vec<_> =
        info.files.iter().map(|file| (file.path.as_str(), file.original_path.is_some())).collect();
    let expected = [
        ("dir/_/_/etc/passwd", true),
        ("dir/a", false),
        ("dir/A (2)", true),
        ("dir/_abs", true),
        ("dir/back_slash", true),
    ];
    assert_eq!(paths, expected);
    assert_eq!(info.files[2].original_path, Some(vec![Bytes::from("dir"), Bytes::from("A")]));

    let mut torrent = v1_multi(vec![v1_file(1, &["a"])]);
    torrent.at("info").set("name", "..");
    let info = torrent.parse().unwrap().info;
    assert_eq!((info.name.as_str(), info.files[0].path.as_str()), ("_", "_/a"));
}

#[test]
fn links_are_empty_and_pads_need_no_path() {
    let mut link = Node::dict([
        ("attr", "l".into()),
        ("path", Node::strings(&["l"])),
        ("symlink path", Node::strings(&["..", "x"])),
    ]);
    let pad = Node::dict([("attr", "p".into()), ("length", 3.into())]);
    let info = v1_multi(vec![v1_file(1, &["a"]), link.clone(), pad]).parse().unwrap().info;
    assert!(info.files[1].attributes.symlink && info.files[1].length == 0);
    assert!(info.files[0].is_on_disk() && !info.files[1].is_on_disk());
    assert!(info.files[2].attributes.pad && info.total_length() == 4);
    link.set("length", 1);
    assert_eq!(v1_multi(vec![link]).error(), "info.files[0].length: a symbolic link has no content");
}

#[test]
fn pad_files_of_one_size_are_no_twins() {
    let mut files = Vec::new();
    for number in 0..2 * i64::from(names::MAX_TWINS) {
        files.push(v1_file(1, &[&number.to_string()]));
        files.push(pad_file(PIECE - 1));
    }
    let mut torrent = v1_multi(files);
    torrent.at("info").set("pieces", vec![7; 20 * 2 * names::MAX_TWINS as usize]);
    assert!(torrent.parse().is_ok());
}

#[test]
fn errors_name_the_field_in_v1() {
    let edit = |edit: &dyn Fn(&mut Node)| {
        let mut torrent = v1_single(1);
        edit(torrent.at("info"));
        torrent.error()
    };
    assert_eq!(Metainfo::parse(b"le").unwrap_err(), MetainfoError::NotADictionary);
    assert_eq!(Node::dict([]).error(), "info: missing");
    assert_eq!(Node::dict([("info", 1.into())]).error(), "info: not a dictionary");
    assert_eq!(edit(&|info| info.without("name")), "info.name: missing");
    assert_eq!(edit(&|info| info.set("name", 1)), "info.name: not a string");
    assert_eq!(edit(&|info| info.without("piece length")), "info.piece length: missing");
    assert_eq!(edit(&|info| info.set("piece length", "1")), "info.piece length: not an integer");
    assert_eq!(edit(&|info| info.set("piece length", 0)), "info.piece length: zero");
    assert_eq!(edit(&|info| info.set("piece length", -1)), "info.piece length: negative");
    assert_eq!(edit(&|info| info.set("piece length", i64::MIN)), "info.piece length: negative");
    let limit = i64::from(MAX_V1_PIECE_LENGTH);
    for long in [limit + 1, 1 << 31, 1 << 32, i64::MAX] {
        assert_eq!(
            edit(&|info| info.set("piece length", long)),
            format!("info.piece length: more than {limit}")
        );
    }
    assert_eq!(edit(&|info| info.without("length")), "info.length: missing");
    assert_eq!(edit(&|info| info.set("length", -1)), "info.length: negative");
    assert_eq!(edit(&|info| info.set("length", "1")), "info.length: not an integer");
    assert_eq!(edit(&|info| info.set("length", 0)), "info: no content");
    assert_eq!(
        edit(&|info| info.set("length", i64::MAX)),
        format!("info.length: more than {MAX_TOTAL_LENGTH}")
    );
    assert_eq!(
        edit(&|info| info.set("files", Node::List(vec![]))),
        "info.files: a torrent has either one length or a list of files"
    );
    assert_eq!(edit(&|info| info.without("pieces")), "info.pieces: missing");
    assert_eq!(edit(&|info| info.set("pieces", 1)), "info.pieces: not a string");
    for length in [0, 1, 19, 21, 40] {
        assert_eq!(
            edit(&|info| info.set("pieces", vec![0; length])),
            format!("info.pieces: {length} bytes instead of 20")
        );
    }
    assert_eq!(edit(&|info| info.set("meta version", 3)), "info.meta version: version 3 is not known");
    assert_eq!(edit(&|info| info.set("meta version", "2")), "info.meta version: not an integer");
}

#[test]
fn errors_name_the_file_in_v1() {
    let error = |file: Node| v1_multi(vec![v1_file(1, &["good"]), file]).error();
    assert_eq!(error(1.into()), "info.files[1]: not a dictionary");
    assert_eq!(error(v1_file(-1, &["a"])), "info.files[1].length: negative");
    assert_eq!(error(Node::dict([("path", Node::strings(&["a"]))])), "info.files[1].length: missing");
    assert_eq!(error(Node::dict([("length", 1.into())])), "info.files[1].path: missing");
    assert_eq!(
        error(Node::dict([("length", 1.into()), ("path", "a".into())])),
        "info.files[1].path: not a list of strings"
    );
    assert_eq!(error(v1_file(1, &[])), "info.files[1].path: an empty path");
    assert!(v1_multi(vec![v1_file(1, &["d"; 99])]).parse().is_ok());
    assert_eq!(error(v1_file(1, &["d"; 100])), "path of file 1: more than 100 nested directories");
    let mut many = vec![v1_file(1, &["same"]); 501];
    assert_eq!(v1_multi(many.clone()).error(), "path of file 500: more than 500 files with the same name");
    many.pop();
    assert!(v1_multi(many).parse().is_ok());
    let mut torrent = v1_multi(vec![]);
    assert_eq!(torrent.error(), "info: no content");
    torrent.at("info").set("files", "x");
    assert_eq!(torrent.error(), "info.files: not a list");
}

#[test]
fn sums_and_counts_stay_within_their_limits() {
    let total = MAX_TOTAL_LENGTH as i64;
    let mut torrent = v1_multi(vec![v1_file(total, &["a"]), v1_file(1, &["b"])]);
    assert_eq!(torrent.error(), format!("length of all files: more than {total}"));
    // Sums of such lengths would overflow 64 bits.
    let torrents = v1_multi((0..600_i64).map(|number| v1_file(total, &[&number.to_string()])).collect());
    assert_eq!(torrents.error(), format!("length of all files: more than {total}"));

    torrent.at("info").set("files", Node::List(vec![v1_file(total, &["a"])]));
    torrent.at("info").set("piece length", 16 << 20);
    torrent.at("info").set("pieces", vec![0; 20 << 20]);
    assert!(
        torrent.error().starts_with("info.pieces: "),
        "2^21 pieces are allowed, their hashes are missing"
    );
    torrent.at("info").set("piece length", (16 << 20) - 1);
    assert_eq!(torrent.error(), format!("number of pieces: more than {MAX_PIECES}"));
    torrent.at("info").set("piece length", 1);
    assert_eq!(torrent.error(), format!("number of pieces: more than {MAX_PIECES}"));
}

#[test]
fn a_million_files_are_the_limit() {
    let torrent = |count: usize| {
        let mut files = String::new();
        for number in 0..count {
            write!(files, "d6:lengthi0e4:pathl{}:{number}ee", number.to_string().len()).unwrap();
        }
        format!("d4:infod5:filesl{files}e4:name1:n12:piece lengthi1e6:pieces0:ee")
    };
    // More than the limit of tokens as well: which of them stops it does not matter.
    assert!(Metainfo::parse(torrent(MAX_FILES + 1).as_bytes()).is_err());
    assert_eq!(Metainfo::parse(torrent(370_000).as_bytes()).unwrap_err().to_string(), "info: no content");
}

#[test]
fn info_dictionaries_have_one_form() {
    let parse = |info: &str| Metainfo::parse(format!("d4:info{info}e").as_bytes()).map(drop);
    let good = "d6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
    assert_eq!(parse(good), Ok(()));
    for bad in [
        good.replace("6:lengthi1e4:name1:a", "4:name1:a6:lengthi1e"),
        good.replace("4:name1:a", "4:name1:a4:name1:b"),
        good.replace("i1e", "i01e"),
        good.replace("1:a1", "01:a1"),
    ] {
        assert!(matches!(parse(&bad), Err(MetainfoError::NotCanonical(_))), "{bad}");
    }
    assert_eq!(Metainfo::parse(format!("d4:info{good}e\r\n").as_bytes()).map(drop), Ok(()));
    assert!(Metainfo::parse(format!("d4:info{good}ex").as_bytes()).is_err());
    // Outside of the info dictionary the order does not matter.
    assert!(Metainfo::parse(format!("d4:info{good}8:announce1:xe").as_bytes()).is_ok());
}

#[test]
fn errors_name_the_field_in_v2() {
    let edit = |edit: &dyn Fn(&mut Node)| {
        let mut torrent = v2();
        edit(torrent.at("info"));
        torrent.error()
    };
    for bad in [0, 1, 8192, 16383, 49152, -16384, 512 << 20, (1 << 31) - 1, 1 << 32, i64::MAX, i64::MIN] {
        let expected = if bad < 0 { "negative" } else { "not a power of two between 16 KiB and 256 MiB" };
        assert_eq!(
            edit(&|info| info.set("piece length", bad)),
            format!("info.piece length: {expected}"),
            "{bad}"
        );
    }
    assert_eq!(edit(&|info| info.without("file tree")), "info.file tree: missing");
    assert_eq!(edit(&|info| info.set("file tree", 1)), "info.file tree: not a dictionary");
    assert_eq!(edit(&|info| info.set("file tree", Node::dict([]))), "info: no content");
    let file = |edit_file: &dyn Fn(&mut Node)| edit(&|info| edit_file(info.at("file tree").at("d").at("b")));
    assert_eq!(file(&|file| *file = 1.into()), "info.file tree.d.b: not a dictionary");
    assert_eq!(file(&|file| file.set("", 1)), "info.file tree.d.b: not a dictionary");
    assert_eq!(
        file(&|file| file.set("x", v2_file(1, root_of(1)))),
        "info.file tree.d.b: both a file and a directory"
    );
    assert_eq!(file(&|file| file.at("").without("length")), "info.file tree.d.b.length: missing");
    assert_eq!(file(&|file| file.at("").set("length", -1)), "info.file tree.d.b.length: negative");
    assert_eq!(
        file(&|file| file.at("").set("length", i64::MAX)),
        format!("info.file tree.d.b.length: more than {MAX_TOTAL_LENGTH}")
    );
    assert_eq!(file(&|file| file.at("").without("pieces root")), "info.file tree.d.b.pieces root: missing");
    for length in [0, 20, 31, 33] {
        assert_eq!(
            file(&|file| file.at("").set("pieces root", vec![1; length])),
            "info.file tree.d.b.pieces root: not a string of 32 bytes"
        );
    }
    assert_eq!(
        file(&|file| file.at("").set("pieces root", vec![0; 32])),
        "info.file tree.d.b.pieces root: all zeros"
    );
    assert_eq!(
        edit(&|info| info.at("file tree").set("", Node::dict([("length", 1.into())]))),
        "info.file tree.: both a file and a directory"
    );
}

#[test]
fn the_number_of_pieces_counts_the_gaps_of_v2() {
    // Files of 2^18 pieces each, so that eight reach the limit.
    let torrent = |count: u32| {
        let mut tree = Node::dict([]);
        for number in 0..count {
            tree.set(number.to_string(), v2_file(256 << 30, root_of(1)));
        }
        let mut torrent = v2();
        torrent.at("info").set("file tree", tree);
        torrent.at("info").set("piece length", 1 << 20);
        torrent
    };
    assert!(torrent(8).error().starts_with("piece layers: "), "the pieces are within the limit");
    assert_eq!(torrent(9).error(), format!("number of pieces: more than {MAX_PIECES}"));
}

#[test]
fn deep_file_trees_are_an_error_on_a_small_stack() {
    let parse = || {
        for depth in [100, 10_000, 1_000_000] {
            let tree = "d1:a".repeat(depth) + &"e".repeat(depth);
            let torrent = format!("d4:infod9:file tree{tree}12:meta versioni2eee");
            assert!(Metainfo::parse(torrent.as_bytes()).is_err());
            assert!(Metainfo::parse("d1:a".repeat(depth).as_bytes()).is_err());
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(parse).unwrap().join().unwrap();
}

#[test]
fn a_hybrid_from_peers_is_kept_without_piece_layers_and_is_no_torrent_file() {
    let from_peers = |torrent: &Metainfo| Metainfo::from_info_bytes(torrent.info_bytes.clone()).unwrap();
    let whole = hybrid().parse().unwrap();
    let kept = from_peers(&whole);
    assert!(whole.is_whole() && !kept.is_whole());
    assert_eq!(Metainfo::parse_kept(&kept.encode()).unwrap(), kept);
    assert_eq!(Metainfo::parse(&kept.encode()).unwrap_err().to_string(), "piece layers: missing");
    assert_eq!(Metainfo::parse_kept(&whole.encode()).unwrap(), whole);
    // Nothing can be checked against a v2 torrent without them.
    assert!(Metainfo::parse_kept(&from_peers(&v2().parse().unwrap()).encode()).is_err());
    // What is there must be right.
    let mut wrong = hybrid();
    wrong.set("piece layers", Node::dict([]));
    assert!(Metainfo::parse_kept(&wrong.bytes()).is_err());
}

#[test]
fn piece_layers_must_lead_to_their_roots() {
    let root = v2().parse().unwrap().info.files[0].pieces_root.unwrap();
    let edit = |edit: &dyn Fn(&mut Node)| {
        let mut torrent = v2();
        edit(&mut torrent);
        torrent.error()
    };
    assert_eq!(edit(&|torrent| torrent.without("piece layers")), "piece layers: missing");
    assert_eq!(edit(&|torrent| torrent.set("piece layers", 1)), "piece layers: not a dictionary");
    assert_eq!(
        edit(&|torrent| torrent.set("piece layers", Node::dict([]))),
        format!("piece layers: no entry for the file with root {root}")
    );
    assert_eq!(
        edit(&|torrent| torrent.at("piece layers").set(root, 1)),
        format!("piece layers.{root}: not a string")
    );
    for length in [0, 32, 64, 95, 97, 128] {
        assert_eq!(
            edit(&|torrent| torrent.at("piece layers").set(root, vec![1; length])),
            format!("piece layers.{root}: {length} bytes instead of 96")
        );
    }
    assert_eq!(
        edit(&|torrent| torrent.at("piece layers").set(root, vec![0; 96])),
        format!("piece layers: the entry for root {root} does not lead to this root")
    );
    assert_eq!(
        edit(&|torrent| torrent.at("piece layers").set("short", vec![0; 32])),
        "piece layers: an entry for root short, which no file has"
    );
    // A file of one piece has no layer, so an entry for it is as unknown as any.
    assert!(
        edit(&|torrent| torrent.at("piece layers").set(root_of(9), root_of(9).0.to_vec()))
            .contains("which no file has")
    );
    // Two files with one root cannot have different numbers of pieces.
    assert!(
        edit(&|torrent| torrent.at("info").at("file tree").set("c", v2_file(9 * PIECE, root)))
            .contains("does not lead")
    );

    let mut same = v2();
    same.at("info").at("file tree").set("c", v2_file(2 * PIECE + 1, root));
    assert!(same.parse().is_ok(), "equal files share a layer");
    for bit in 0..96 * 8 {
        let mut torrent = v2();
        let Node::Bytes(layer) = torrent.at("piece layers").at(root) else { panic!("no layer") };
        layer[bit / 8] ^= 1 << (bit % 8);
        assert!(torrent.parse().is_err());
    }
}

#[test]
fn both_halves_of_a_hybrid_must_agree() {
    let edit = |edit: &dyn Fn(&mut Vec<Node>)| {
        let mut torrent = hybrid();
        edit(files_of(&mut torrent));
        torrent.error()
    };
    let differ = |at: usize| format!("info.files[{at}]: the v1 and v2 descriptions of the files differ");
    assert_eq!(edit(&|files| files.clear()), differ(0));
    assert_eq!(edit(&|files| drop(files.pop())), differ(2));
    assert_eq!(edit(&|files| files.push(v1_file(0, &["more"]))), differ(3));
    assert_eq!(edit(&|files| files.swap(0, 2)), differ(0));
    assert_eq!(edit(&|files| drop(files.remove(1))), differ(1));
    assert_eq!(edit(&|files| files[1].without("attr")), differ(1));
    assert_eq!(edit(&|files| files[1].set("length", PIECE - 2)), differ(1));
    assert_eq!(edit(&|files| files[1].set("length", 2 * PIECE - 1)), differ(1));
    assert_eq!(edit(&|files| files[0].set("length", 2 * PIECE)), differ(0));
    assert_eq!(edit(&|files| files[2].set("path", Node::strings(&["d", "c"]))), differ(2));
    assert_eq!(edit(&|files| files[2].set("path", Node::strings(&["d/b"]))), differ(2));
    assert_eq!(edit(&|files| files.insert(0, pad_file(PIECE))), differ(0));
    assert_eq!(edit(&|files| files.insert(0, pad_file(0))), differ(0));

    let mut torrent = hybrid();
    torrent.at("info").without("pieces");
    assert_eq!(torrent.error(), "info.pieces: missing");
    let mut torrent = hybrid();
    torrent.at("info").without("files");
    assert_eq!(torrent.error(), "info.length: missing");
    let mut torrent = hybrid();
    torrent.at("info").without("files");
    torrent.at("info").set("length", 3 * PIECE);
    assert_eq!(torrent.error(), differ(0));
    let mut torrent = hybrid();
    torrent.at("info").without("file tree");
    assert_eq!(torrent.error(), "info.file tree: missing");
}

proptest! {
    #[test]
    fn damaged_torrents_are_read_or_refused_in_peace(
        which in 0..3, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..4),
    ) {
        let torrent = [v1_multi(vec![v1_file(1, &["a"])]), v2(), hybrid()][which as usize].clone();
        let mut bytes = torrent.bytes();
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(metainfo) = Metainfo::parse(&bytes) {
            prop_assert!(metainfo.info.piece_count() > 0);
        }
    }

    #[test]
    fn lengths_and_piece_lengths_never_overflow(length: i64, piece_length: i64, which in 0..3) {
        let mut torrent = [v1_single(1), v1_multi(vec![v1_file(1, &["a"])]), v2()][which as usize].clone();
        torrent.at("info").set("piece length", piece_length);
        match which {
            0 => torrent.at("info").set("length", length),
            1 => files_of(&mut torrent)[0].set("length", length),
            _ => torrent.at("info").at("file tree").at("a").at("").set("length", length),
        }
        let _ = torrent.parse();
    }
}

use proptest::prelude::*;

use super::*;
use crate::merkle::{self, FileHasher};
use crate::{BLOCK_LENGTH, metainfo::MetainfoError};

/// Content of a file: bytes that depend on the file and the place.
fn content(index: usize, length: u64) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (index as u8).wrapping_mul(31)).collect()
}

/// What the engine does: hashes the layout.
fn hashes(builder: &Builder) -> Hashes {
    let mut stream = Vec::new();
    let mut v2_files = vec![None; builder.files().len()];
    for stretch in builder.layout() {
        match *stretch {
            Stretch::Padding { length } => stream.resize(stream.len() + length as usize, 0),
            Stretch::File { index, length } => {
                let bytes = content(index, length);
                let mut hasher = FileHasher::new(builder.piece_length());
                bytes
                    .chunks(BLOCK_LENGTH as usize)
                    .for_each(|block| hasher.push_leaf(Sha256Hash::digest(block)));
                v2_files[index] = hasher.finish();
                stream.extend(bytes);
            }
        }
    }
    let v1_pieces = stream.chunks(builder.piece_length() as usize).map(Sha1Hash::digest).collect();
    Hashes { v1_pieces, v2_files }
}

fn file(path: &str, length: u64) -> SourceFile {
    SourceFile {
        path: path.split('/').map(str::to_owned).collect(),
        length,
        attributes: Attributes::default(),
    }
}

fn build(builder: &Builder) -> Built {
    builder.build(&hashes(builder), &Description::default()).unwrap()
}

const PIECE: u32 = 32 * 1024;

#[test]
fn a_hybrid_is_padded_between_its_files() {
    let files = vec![
        file("b", 10),
        file("a/y", u64::from(PIECE) + 5),
        file("a/x", 0),
        file("c", u64::from(PIECE)),
        file("d", 1),
    ];
    let builder = Builder::directory(Version::Hybrid, PIECE, "dir", files).unwrap();
    let piece = u64::from(PIECE);
    let expected = [
        Stretch::File { index: 2, length: 0 },
        Stretch::File { index: 1, length: piece + 5 },
        Stretch::Padding { length: piece - 5 },
        Stretch::File { index: 0, length: 10 },
        Stretch::Padding { length: piece - 10 },
        Stretch::File { index: 3, length: piece },
        Stretch::File { index: 4, length: 1 },
    ];
    assert_eq!(builder.layout(), expected);
    let info = build(&builder).metainfo.info;
    let paths: Vec<_> = info.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["dir/a/x", "dir/a/y", "dir/.pad/32763", "dir/b", "dir/.pad/32758", "dir/c", "dir/d"]);
}

#[test]
fn v1_and_v2_have_no_padding() {
    for version in [Version::V1, Version::V2] {
        let builder = Builder::directory(version, PIECE, "dir", vec![file("a", 1), file("b", 1)]).unwrap();
        assert_eq!(
            builder.layout(),
            [Stretch::File { index: 0, length: 1 }, Stretch::File { index: 1, length: 1 }]
        );
        assert_eq!(build(&builder).metainfo.info.piece_count(), if version == Version::V1 { 1 } else { 2 });
    }
}

#[test]
fn the_bytes_of_a_small_torrent_are_known() {
    let builder =
        Builder::single(Version::V1, 16384, "a", 1, Attributes { executable: true, ..Attributes::default() })
            .unwrap();
    let description = Description {
        private: true,
        source: Some("s".to_owned()),
        trackers: vec![vec!["http://t".to_owned()]],
        ..Description::default()
    };
    let hashes = Hashes { v1_pieces: vec![Sha1Hash(*b"aaaaaaaaaaaaaaaaaaaa")], v2_files: Vec::new() };
    let built = builder.build(&hashes, &description).unwrap();
    let expected = "d8:announce8:http://t8:encoding5:UTF-84:infod4:attr1:x6:lengthi1e4:name1:a12:piece lengthi16384e\
                    6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1e6:source1:see";
    assert_eq!(built.bytes.escape_ascii().to_string(), expected);
}

#[test]
fn what_cannot_be_published_is_refused_before_anything_is_hashed() {
    let directory = |files| Builder::directory(Version::Hybrid, PIECE, "dir", files).map(drop).unwrap_err();
    assert_eq!(directory(vec![]), BuildError::NoContent);
    assert_eq!(directory(vec![file("a", 0)]), BuildError::NoContent);
    assert_eq!(directory(vec![file("a", 1), file("a", 2)]), BuildError::Duplicate("a".to_owned()));
    assert_eq!(
        directory(vec![file("a/b", 1), file("a", 2), file("a.", 1)]),
        BuildError::Duplicate("a/b".to_owned())
    );
    for bad in ["", ".", "..", "a//b", "../a", "a/./b", "a\0"] {
        assert!(matches!(directory(vec![file(bad, 1)]), BuildError::Name(_)), "{bad:?}");
    }
    let slash = SourceFile { path: vec!["a/b".to_owned()], ..file("", 1) };
    assert_eq!(directory(vec![slash]), BuildError::Name("a/b".to_owned()));
    assert_eq!(directory(vec![SourceFile { path: vec![], ..file("", 1) }]), BuildError::Name(String::new()));
    let pad = SourceFile { attributes: Attributes { pad: true, ..Attributes::default() }, ..file("a", 1) };
    assert_eq!(directory(vec![pad]), BuildError::Attributes("a".to_owned()));
    assert!(matches!(
        directory(vec![file(&["d"; MAX_PATH_DEPTH + 1].join("/"), 1)]),
        BuildError::PathTooLong(_)
    ));
    assert!(matches!(
        directory(vec![file(&[&"d".repeat(200)[..]; 21].join("/"), 1)]),
        BuildError::PathTooLong(_)
    ));
    assert_eq!(directory(vec![file("a", u64::MAX), file("b", u64::MAX)]), BuildError::TooMany("bytes"));
    assert_eq!(directory(vec![file("a", MAX_TOTAL_LENGTH)]), BuildError::TooMany("pieces"));
    for (version, length) in [
        (Version::V1, 0),
        (Version::V1, u32::MAX),
        (Version::V2, 8192),
        (Version::Hybrid, 49152),
        (Version::V2, 1 << 29),
    ] {
        let error = Builder::single(version, length, "a", 1, Attributes::default()).map(drop).unwrap_err();
        assert_eq!(error, BuildError::PieceLength(length));
    }
}

#[test]
fn the_deepest_path_can_be_read_back() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let deepest = file(&["d"; MAX_PATH_DEPTH].join("/"), 1);
        let builder = Builder::directory(version, PIECE, "dir", vec![deepest]).unwrap();
        assert_eq!(build(&builder).metainfo.info.files[0].path.split('/').count(), MAX_PATH_DEPTH + 1);
    }
}

#[test]
fn hashes_must_fit_the_layout() {
    let builder =
        Builder::directory(Version::Hybrid, PIECE, "dir", vec![file("a", 100_000), file("b", 0)]).unwrap();
    let good = hashes(&builder);
    let error = |edit: &dyn Fn(&mut Hashes)| {
        let mut hashes = good.clone();
        edit(&mut hashes);
        builder.build(&hashes, &Description::default()).unwrap_err()
    };
    assert_eq!(error(&|hashes| hashes.v1_pieces.truncate(1)), BuildError::WrongHashes("v1 hashes"));
    assert_eq!(error(&|hashes| drop(hashes.v2_files.pop())), BuildError::WrongHashes("v2 roots"));
    assert_eq!(error(&|hashes| hashes.v2_files[0] = None), BuildError::WrongHashes("v2 roots"));
    assert_eq!(
        error(&|hashes| hashes.v2_files[1] = good.v2_files[0].clone()),
        BuildError::WrongHashes("v2 roots")
    );
    assert_eq!(
        error(&|hashes| hashes.v2_files[0].as_mut().unwrap().piece_layer.clear()),
        BuildError::WrongHashes("v2 piece hashes")
    );
    let wrong = error(&|hashes| hashes.v2_files[0].as_mut().unwrap().piece_layer[0].0[0] ^= 1);
    assert!(matches!(wrong, BuildError::Unusable(MetainfoError::Field { .. })));
}

#[test]
fn default_piece_lengths_make_one_to_two_thousand_pieces() {
    const MIB: u64 = 1 << 20;
    assert_eq!(default_piece_length(0), 32 << 10);
    assert_eq!(default_piece_length(MIB), 32 << 10);
    assert_eq!(default_piece_length(1 << 30), 1 << 20);
    assert_eq!(default_piece_length(u64::MAX), 256 << 20);
    for exponent in 0..=45 {
        for total in [(1_u64 << exponent) - 1, 1 << exponent, (1_u64 << exponent).saturating_add(1)] {
            let length = u64::from(default_piece_length(total));
            let pieces = total.div_ceil(length);
            assert!(
                length.is_power_of_two() && (32 << 10..=256 * MIB).contains(&length),
                "{total}: {length}"
            );
            if (64 * MIB..30_000 * MIB).contains(&total) {
                assert!((999..=2000).contains(&pieces), "{total}: {pieces}");
            }
            assert!(pieces <= (1 << 17) + 1);
        }
    }
}

fn versions() -> impl Strategy<Value = Version> {
    prop::sample::select(vec![Version::V1, Version::V2, Version::Hybrid])
}

prop_compose! {
    fn descriptions()(
        private: bool,
        source in prop::option::of("\\PC{0,8}"),
        trackers in prop::collection::vec(prop::collection::vec("(udp|http)://[a-z.]{1,9}:[1-9][0-9]{0,3}/[a-z]{0,4}", 1..4), 0..4),
        web_seeds in prop::collection::vec("https://[a-z.]{1,9}/", 0..3),
        nodes in prop::collection::vec(("[a-z.]{1,9}", 1_u16..), 0..3),
        comment in prop::option::of("\\PC{0,8}"),
        created_by in prop::option::of("\\PC{0,8}"),
        creation_date: Option<i64>,
        similar in prop::collection::vec(any::<[u8; 20]>().prop_map(Sha1Hash), 0..3),
        collections in prop::collection::vec("\\PC{0,8}", 0..3),
    ) -> Description {
        Description { private, source, trackers, web_seeds, nodes, comment, created_by, creation_date, similar, collections }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_built_is_read_back(
        version in versions(),
        log in 0_u32..3,
        lengths in prop::collection::vec((prop_oneof![Just(0), 1_u64..100_000, Just(1 << 14), Just(1 << 16)], 0_u8..4, any::<bool>()), 1..8),
        single: bool,
        description in descriptions(),
    ) {
        let piece_length = BLOCK_LENGTH << log;
        let mut files: Vec<SourceFile> = lengths
            .iter()
            .enumerate()
            .map(|(index, (length, depth, executable))| {
                let mut path: Vec<String> = (0..*depth).map(|level| format!("d{}", (index + usize::from(level)) % 3)).collect();
                path.push(format!("f{index}"));
                let attributes = Attributes { executable: *executable, hidden: *depth == 1, ..Attributes::default() };
                SourceFile { path, length: *length, attributes }
            })
            .collect();
        files[0].length += 1;
        let builder = if single {
            Builder::single(version, piece_length, "ñame", files[0].length, files[0].attributes).unwrap()
        } else {
            Builder::directory(version, piece_length, "ñame", files.clone()).unwrap()
        };
        let hashes = hashes(&builder);
        let built = builder.build(&hashes, &description).unwrap();
        let metainfo = Metainfo::parse(&built.bytes).unwrap();
        prop_assert_eq!(&metainfo, &built.metainfo);

        let info = &metainfo.info;
        prop_assert_eq!((info.version, info.piece_length, info.single_file), (version, piece_length, single));
        prop_assert_eq!(&info.name, "ñame");
        prop_assert_eq!(info.private, description.private);
        prop_assert_eq!(&info.similar, &description.similar);
        prop_assert_eq!(&info.collections, &description.collections);
        prop_assert_eq!(&metainfo.trackers, &description.trackers);
        prop_assert_eq!(&metainfo.web_seeds, &description.web_seeds);
        prop_assert_eq!(&metainfo.nodes, &description.nodes);
        prop_assert_eq!(&metainfo.comment, &description.comment);
        prop_assert_eq!(&metainfo.created_by, &description.created_by);
        prop_assert_eq!(metainfo.creation_date, description.creation_date);
        prop_assert_eq!(info.v1_pieces.as_deref().unwrap_or_default(), if info.is_v1() { &hashes.v1_pieces[..] } else { &[] });

        prop_assert_eq!(info.files.len(), builder.layout().len());
        for (number, (file, stretch)) in info.files.iter().zip(builder.layout()).enumerate() {
            prop_assert_eq!(file.length, stretch.length());
            let Stretch::File { index, .. } = *stretch else {
                prop_assert!(file.attributes.pad);
                continue;
            };
            let source = &builder.files()[index];
            let path = source.path.join("/");
            prop_assert_eq!(&file.path, &if single { path } else { format!("ñame/{path}") });
            prop_assert_eq!(file.attributes, source.attributes);
            prop_assert_eq!(&file.original_path, &None);
            if info.is_v2() {
                let expected = hashes.v2_files[index].as_ref();
                prop_assert_eq!(file.pieces_root, expected.map(|hashes| hashes.root));
                for (piece, bytes) in content(index, file.length).chunks(piece_length as usize).enumerate() {
                    let leaves: Vec<_> = bytes.chunks(BLOCK_LENGTH as usize).map(Sha256Hash::digest).collect();
                    let root = metainfo.v2_piece_root(number, piece as u32).unwrap();
                    prop_assert_eq!(merkle::padded_root(&leaves, 0, root.leaves as usize), root.hash);
                }
            }
        }
    }
}

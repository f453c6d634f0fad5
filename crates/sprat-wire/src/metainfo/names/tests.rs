use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

fn safe(raw: impl AsRef<[u8]>) -> String {
    safe_component(raw.as_ref()).into_owned()
}

fn insert(table: &mut PathTable, path: &str) -> String {
    let components: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
    table.insert(&components).unwrap().path
}

#[test]
fn odd_but_harmless_names_stay_as_they_are() {
    let long = "é".repeat(120);
    for name in [
        "foo... bar",
        "...a",
        ".hidden",
        "a b",
        " a",
        "Was ist das?.txt",
        "ab:c",
        "日本語 (1).mkv",
        "👩‍👩‍👧.png",
        "con1",
        "COM",
        "COM10",
        "CONsole.txt",
        "a\u{301}",
        "$RECYCLE.BIN",
        "~",
        &long,
    ] {
        assert_eq!(safe(name), name);
    }
}

#[test]
fn names_that_leave_or_mislead_are_renamed() {
    for (raw, expected) in [
        ("", "_"),
        (".", "_"),
        ("..", "_"),
        ("...", ".._"),
        ("a.", "a_"),
        ("a ", "a_"),
        ("foo. .", "foo. _"),
        (" ", "_"),
        ("/", "_"),
        ("/etc/passwd", "_etc_passwd"),
        ("..\\..\\a", ".._.._a"),
        ("C:\\a", "C__a"),
        ("c:", "c_"),
        ("Icon\r", "Icon_"),
        ("a\0b", "a_b"),
        ("\u{1b}[2J", "_[2J"),
        ("\u{85}", "_"),
        ("gpj.\u{202e}exe", "gpj._exe"),
        ("a\u{200b}b", "a_b"),
        ("\u{feff}a", "_a"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Aux .tar.gz", "_Aux .tar.gz"),
        ("com1", "_com1"),
        ("LPT\u{b9}.x", "_LPT\u{b9}.x"),
        ("CONIN$", "_CONIN$"),
    ] {
        assert_eq!(safe(raw), expected, "{raw:?}");
    }
    assert_eq!(safe(b"a\xff\xfeb"), "a%FF%FEb");
    // Overlong forms of "/" and "." are not UTF-8.
    assert_eq!(safe(b"\xc0\xaf"), "%C0%AF");
    assert_eq!(safe(b"\xc0\xae\xc0\xae"), "%C0%AE%C0%AE");
    assert_eq!(safe(b"\xed\xa0\x80"), "%ED%A0%80");
}

#[test]
fn long_names_are_cut_before_their_extension() {
    for length in [MAX_COMPONENT_LENGTH, MAX_COMPONENT_LENGTH + 1, 100_000] {
        let name = format!("{}.flac", "a".repeat(length - 5));
        let cut = safe(&name);
        assert_eq!(cut.len(), MAX_COMPONENT_LENGTH);
        assert!(cut.ends_with("a.flac"));
        assert_eq!(cut == name, length == MAX_COMPONENT_LENGTH);
    }
    let cut = safe("é".repeat(200));
    assert_eq!(cut, "é".repeat(120));
    let cut = safe(format!("a.{}", "é".repeat(200)));
    assert!(cut.len() <= MAX_COMPONENT_LENGTH && cut.starts_with("a.é"));
    let cut = safe(format!("{} b", "a".repeat(MAX_COMPONENT_LENGTH - 1)));
    assert_eq!(
        cut,
        format!("{}_", "a".repeat(MAX_COMPONENT_LENGTH - 1)),
        "no space at the end after the cut"
    );
    assert!(safe(vec![0xff; 10_000]).len() <= MAX_COMPONENT_LENGTH);
}

#[test]
fn twins_get_numbers_before_their_extension() {
    let mut table = PathTable::new();
    assert_eq!(insert(&mut table, "t/Movie.mkv"), "t/Movie.mkv");
    assert_eq!(insert(&mut table, "t/movie.mkv"), "t/movie (2).mkv");
    assert_eq!(insert(&mut table, "t/MOVIE.MKV"), "t/MOVIE (3).MKV");
    assert_eq!(insert(&mut table, "u/movie.mkv"), "u/movie.mkv");
    // Composed and decomposed.
    assert_eq!(insert(&mut table, "\u{e9}"), "\u{e9}");
    assert_eq!(insert(&mut table, "e\u{301}"), "e\u{301} (2)");
    assert_eq!(insert(&mut table, "ΣΑΣ"), "ΣΑΣ");
    assert_eq!(insert(&mut table, "σας"), "σας (2)");
    // A number that is taken is skipped, also when it comes later.
    assert_eq!(insert(&mut table, "x (2)"), "x (2)");
    assert_eq!(insert(&mut table, "x"), "x");
    assert_eq!(insert(&mut table, "x"), "x (3)");
    assert_eq!(insert(&mut table, "x (3)"), "x (3) (2)");
    // Long names keep within their length.
    let long = "l".repeat(MAX_COMPONENT_LENGTH);
    insert(&mut table, &long);
    assert_eq!(insert(&mut table, &long), format!("{} (2)", "l".repeat(MAX_COMPONENT_LENGTH - 4)));
}

#[test]
fn a_file_and_a_directory_do_not_share_a_name() {
    let mut table = PathTable::new();
    assert_eq!(insert(&mut table, "a"), "a");
    assert_eq!(insert(&mut table, "A/b"), "A (2)/b");
    assert_eq!(insert(&mut table, "a/c"), "A (2)/c");
    assert_eq!(insert(&mut table, "a (2)/c"), "a (2)/c (2)");
    assert_eq!(insert(&mut table, "d/e/f"), "d/e/f");
    assert_eq!(insert(&mut table, "d/e"), "d/e (2)");
    assert_eq!(insert(&mut table, "D/E/F"), "D/E/F (2)");
    assert_eq!(insert(&mut table, "D"), "D (2)");
}

#[test]
fn each_limit_holds_exactly() {
    let mut table = PathTable::new();
    let deep = vec![&b"d"[..]; MAX_DEPTH];
    assert!(table.insert(&deep).is_ok());
    assert_eq!(table.insert(&[&deep[..], &[b"e"]].concat()), Err(NameError::TooDeep));
    assert_eq!(table.insert(&[]), Err(NameError::Empty));

    // 17 components of 239 bytes and their separators, and one that fills the rest.
    let long = [b'a'; 239];
    let mut path = vec![&long[..]; 17];
    path.push(&long[..16]);
    assert_eq!(table.insert(&path).unwrap().path.len(), MAX_PATH_LENGTH);
    path.pop();
    path.push(&long[..17]);
    assert_eq!(table.insert(&path), Err(NameError::TooLong));

    for _ in 0..MAX_TWINS {
        table.insert(&[b"twin"]).unwrap();
    }
    assert_eq!(table.insert(&[b"Twin"]), Err(NameError::TooManyTwins));
}

#[test]
fn many_files_of_few_names_do_not_cost_more_than_others() {
    // Quadratic behaviour would take minutes here.
    let mut table = PathTable::new();
    for directory in 0..200 {
        for _ in 0..MAX_TWINS {
            table.insert(&[format!("{directory}").as_bytes(), b"same"]).unwrap();
        }
    }
}

#[test]
fn a_character_its_capital_and_its_small_form_have_one_key() {
    for char in '\0'..=char::MAX {
        let key = collision_key(&char.to_string());
        assert_eq!(collision_key(&char.to_lowercase().to_string()), key, "{char:?}");
        assert_eq!(collision_key(&char.to_uppercase().to_string()), key, "{char:?}");
        assert_eq!(collision_key(&char.nfd().to_string()), key, "{char:?}");
        assert_eq!(collision_key(&key), key, "{char:?}");
    }
}

/// Pieces of trouble, put together at random.
fn hostile_component() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        prop::sample::select(vec![
            "..", ".", "/", "\\", "a", "A", "b.txt", " ", "CON", "nul", "C:", "\0", "\r", "\u{202e}",
            "\u{e9}", "e\u{301}", " (2)", "~", "-rf", "%", "\u{200d}", "ß", "SS", "İ", "\u{212a}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
        (0_usize..400).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec(fragment, 0..4).prop_map(|fragments| fragments.concat())
}

#[test]
fn a_hundred_thousand_hostile_names_stay_inside_and_apart() {
    let mut runner = TestRunner::deterministic();
    let paths = prop::collection::vec(prop::collection::vec(hostile_component(), 1..5), 1000);
    for _ in 0..100 {
        let mut table = PathTable::new();
        let mut files: BTreeSet<String> = BTreeSet::new();
        let mut directories: BTreeSet<String> = BTreeSet::new();
        for raw in paths.new_tree(&mut runner).unwrap().current() {
            let components: Vec<&[u8]> = raw.iter().map(Vec::as_slice).collect();
            let safe = match table.insert(&components) {
                Ok(safe) => safe,
                Err(NameError::TooManyTwins) => continue,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(safe.path.split('/').count(), raw.len());
            assert_eq!(safe.changed, safe.path.as_bytes() != raw.join(&b'/'));
            let mut key = String::new();
            for (depth, component) in safe.path.split('/').enumerate() {
                assert!(is_safe(component), "{raw:?} became {component:?}");
                if depth > 0 {
                    directories.insert(key.clone());
                    key.push('/');
                }
                key.push_str(&collision_key(component));
            }
            assert!(files.insert(key), "{:?} is there twice", safe.path);
        }
        assert!(files.is_disjoint(&directories));
    }
}

proptest! {
    #[test]
    fn a_safe_name_is_left_alone(raw in hostile_component()) {
        let once = safe(&raw);
        prop_assert_eq!(safe(&once), once);
    }

    #[test]
    fn names_that_differ_in_case_or_composition_have_one_key(name in "\\PC{0,8}") {
        let key = collision_key(&name);
        prop_assert_eq!(collision_key(&name.nfd().collect::<String>()), &*key);
        prop_assert_eq!(collision_key(&key), &*key);
        prop_assert_eq!(collision_key(&name.to_ascii_uppercase()), collision_key(&name.to_ascii_lowercase()));
    }
}

//! Whoever puts what it is told onto what it had, has what it would be told as a whole.

use serde_json::json;
use sprat_wire::hash::{InfoHashes, Sha1Hash};

use super::super::example::summary;
use super::super::swarms::{Overview, Swarm};
use super::*;
use crate::labels::{Label, Labels};
use crate::service::Choices;
use crate::torrents::{Board, Identity, SeedingLimit, Snapshot, Summary};

/// A daemon whose list is changed by hand.
struct Scene {
    board: Board,
    labels: Labels,
    choices: Choices,
    trackers: BTreeMap<TorrentId, &'static str>,
    overview: Arc<Overview>,
    server: Map<String, Value>,
}

impl Scene {
    fn new() -> Self {
        Self {
            board: Board::new(1),
            labels: Labels::default(),
            choices: Choices::below("/srv".into()),
            trackers: BTreeMap::new(),
            overview: Arc::default(),
            server: Map::new(),
        }
    }

    fn put(&mut self, number: u32, change: impl FnOnce(&mut Summary)) {
        let v1 = Sha1Hash([u8::try_from(number).unwrap(); 20]);
        let info_hashes = InfoHashes::new(Some(v1), None).unwrap();
        let mut one =
            Summary { hash: info_hashes.primary().to_string(), position: number.into(), ..summary() };
        change(&mut one);
        let identity = Identity { info_hashes, content: "/srv/album".into() };
        self.board.put(TorrentId(number), identity, one);
    }

    fn picture(&mut self) -> Picture {
        self.board.publish();
        let snapshot: Arc<Snapshot> = Arc::new(self.board.snapshot());
        let found = snapshot.lines().iter().map(|line| {
            let url = self.trackers.get(&line.torrent).map(|url| Arc::<str>::from(*url));
            let swarm = Swarm { urls: url.iter().cloned().collect(), working: url, ..Swarm::default() };
            (line.torrent, swarm)
        });
        self.overview = Arc::new(Overview::new(found.collect(), &self.overview));
        let list = List {
            places: super::super::torrent::places(&snapshot),
            snapshot,
            overview: Arc::clone(&self.overview),
            choices: self.choices.clone(),
            labels: self.labels.clone(),
        };
        Picture { list, server: self.server.clone() }
    }
}

fn json_of(answer: &Answer<'_>) -> Value {
    serde_json::to_value(answer).unwrap()
}

/// What a client makes of an answer.
fn apply(known: &mut Value, told: &Value) {
    for section in ["torrents", "categories", "trackers", "server_state"] {
        let Some(changed) = told.get(section).and_then(Value::as_object) else { continue };
        for (key, value) in changed {
            match (&mut known[section][key], value) {
                (Value::Object(known), Value::Object(changed)) => known.extend(changed.clone()),
                (known, value) => *known = value.clone(),
            }
        }
    }
    for section in ["torrents", "categories", "trackers"] {
        for gone in told[format!("{section}_removed")].as_array().into_iter().flatten() {
            assert!(
                known[section].as_object_mut().unwrap().remove(gone.as_str().unwrap()).is_some(),
                "{gone}"
            );
        }
    }
    let mut tags: BTreeSet<String> = serde_json::from_value(known["tags"].clone()).unwrap();
    tags.extend(told["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().to_owned()));
    for gone in told["tags_removed"].as_array().into_iter().flatten() {
        assert!(tags.remove(gone.as_str().unwrap()), "{gone}");
    }
    known["tags"] = json!(tags);
}

/// One step, as a client that has followed until then sees it; returns what it was told.
fn follow(scene: &mut Scene, before: &mut Picture, known: &mut Value) -> Value {
    let now = scene.picture();
    let told = json_of(&now.since(before).unwrap());
    assert!(told.get("full_update").is_none());
    apply(known, &told);
    assert_eq!(*known, json_of(&now.whole()));
    *before = now;
    told
}

#[test]
fn a_client_that_follows_has_what_is_there() {
    let mut scene = Scene::new();
    scene.put(1, |_| {});
    scene.put(2, |one| one.tags = BTreeSet::from(["old".to_owned()]));
    let mut before = scene.picture();
    let mut known = json_of(&before.whole());
    assert_eq!(known["full_update"], true);
    assert_eq!(known["torrents"].as_object().unwrap().len(), 2);
    let (one, two) = ("01".repeat(20), "02".repeat(20));

    assert_eq!(follow(&mut scene, &mut before, &mut known), json!({"rid": 0}), "nothing has happened");

    scene.put(1, |one| (one.left, one.have, one.download_rate) = (400, 600, 7));
    let told = follow(&mut scene, &mut before, &mut known);
    let fields = told["torrents"][&one].as_object().unwrap();
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["amount_left", "completed", "dlspeed", "progress", "state"]);
    assert_eq!(told["torrents"].as_object().unwrap().len(), 1);

    scene.labels.labels.insert("tv".to_owned(), Label::default());
    scene.labels.labels.insert("films".to_owned(), Label::default());
    scene.labels.tags.insert("kept".to_owned());
    scene.server.insert("dl_info_speed".to_owned(), 5.into());
    scene.put(3, |_| {});
    let told = follow(&mut scene, &mut before, &mut known);
    assert_eq!(told["categories"]["tv"], json!({"name": "tv", "savePath": ""}));
    assert_eq!((&told["tags"], &told["server_state"]), (&json!(["kept"]), &json!({"dl_info_speed": 5})));
    assert!(told["torrents"]["03".repeat(20)]["magnet_uri"].is_string(), "all of what is new");

    scene.labels.labels.get_mut("tv").unwrap().directory = Some("tv".into());
    scene.labels.labels.remove("films");
    scene.put(2, |_| {});
    scene.board.remove(TorrentId(3));
    let told = follow(&mut scene, &mut before, &mut known);
    assert_eq!(told["categories"], json!({"tv": {"name": "tv", "savePath": "tv"}}));
    assert_eq!(told["categories_removed"], json!(["films"]));
    assert_eq!(told["tags_removed"], json!(["old"]));
    assert_eq!(told["torrents_removed"], json!(["03".repeat(20)]));
    assert_eq!(told["torrents"][&two], json!({"tags": ""}));
}

#[test]
fn what_is_around_a_torrent_is_told_with_it() {
    let mut scene = Scene::new();
    for number in [1, 2, 3] {
        scene.put(number, |_| {});
    }
    scene.trackers = [(TorrentId(1), "http://a/"), (TorrentId(2), "http://b/")].into();
    let mut before = scene.picture();
    let mut known = json_of(&before.whole());
    let (one, two, three) = ("01".repeat(20), "02".repeat(20), "03".repeat(20));
    assert_eq!(known["trackers"], json!({"http://a/": [&one], "http://b/": [&two]}));
    assert_eq!(known["torrents"][&three]["priority"], 3);

    // The trackers of two have changed, and nothing else of them.
    scene.trackers.insert(TorrentId(1), "http://b/");
    scene.trackers.insert(TorrentId(3), "http://c/");
    let told = follow(&mut scene, &mut before, &mut known);
    assert_eq!(told["trackers"], json!({"http://b/": [&one, &two], "http://c/": [&three]}));
    assert_eq!(told["trackers_removed"], json!(["http://a/"]));
    assert_eq!(told["torrents"][&one]["tracker"], "http://b/");
    assert!(told["torrents"].get(&two).is_none());

    // One is complete: the others move up.
    scene.put(1, |one| one.is_complete = true);
    let told = follow(&mut scene, &mut before, &mut known);
    assert_eq!(told["torrents"][&two], json!({"priority": 1}));
    assert_eq!(told["torrents"][&three], json!({"priority": 2}));

    // What holds for all holds for each.
    scene.choices.seeding.limits.ratio = SeedingLimit::Limit(2.0);
    let told = follow(&mut scene, &mut before, &mut known);
    assert_eq!(told["torrents"].as_object().unwrap().len(), 3);
    assert_eq!(told["torrents"][&two], json!({"max_ratio": 2.0}));
}

#[test]
fn names_that_change_and_come_back_are_told_right() {
    let mut scene = Scene::new();
    scene.put(1, |_| {});
    scene.put(2, |_| {});
    let mut before = scene.picture();
    let mut known = json_of(&before.whole());
    // A link named it by another hash than the one that it has.
    scene.put(1, |one| one.hash = "aa".repeat(20));
    let told = follow(&mut scene, &mut before, &mut known);
    assert_eq!(told["torrents_removed"], json!(["01".repeat(20)]));
    // Removed, and added again at once.
    scene.board.remove(TorrentId(2));
    scene.put(7, |one| one.hash = "02".repeat(20));
    let told = follow(&mut scene, &mut before, &mut known);
    assert!(told.get("torrents_removed").is_none());
    // Added and removed before anybody has looked.
    scene.put(8, |_| {});
    scene.picture();
    scene.board.remove(TorrentId(8));
    assert_eq!(follow(&mut scene, &mut before, &mut known), json!({"rid": 0}));
    // Gone, back and gone again.
    scene.board.remove(TorrentId(7));
    scene.put(7, |_| {});
    scene.board.remove(TorrentId(7));
    let told = follow(&mut scene, &mut before, &mut known);
    assert_eq!(told["torrents_removed"], json!(["02".repeat(20)]));
}

#[test]
fn what_another_run_has_told_is_not_built_upon() {
    let mut scene = Scene::new();
    scene.put(1, |_| {});
    let before = scene.picture();
    scene.board = Board::new(2);
    scene.put(1, |_| {});
    assert!(scene.picture().since(&before).is_none());
}

proptest::proptest! {
    /// Whatever happens, in whatever order, and however much of it between two looks.
    #[test]
    fn any_changes_are_followed(steps in proptest::collection::vec((0_u32..6, 0_u8..8, 0_u64..3, proptest::bool::ANY), 1..60)) {
        let mut scene = Scene::new();
        let mut before = scene.picture();
        let mut known = json_of(&before.whole());
        for (number, what, amount, looks) in steps {
            let name = format!("n{amount}");
            match what {
                0..3 => scene.put(number, |one| {
                    one.uploaded = amount;
                    one.is_complete = amount == 1;
                    one.label = Some(name.clone()).filter(|_| amount > 0);
                    one.tags.extend((amount == 2).then_some(name));
                }),
                3 => scene.board.remove(TorrentId(number)),
                4 => drop(scene.labels.labels.insert(name, Label::default())),
                5 => drop(scene.labels.labels.remove(&name)),
                6 => drop(scene.trackers.insert(TorrentId(number), ["http://a/", "http://b/", "http://c/"][amount as usize])),
                _ => drop(scene.trackers.remove(&TorrentId(number))),
            }
            if looks {
                follow(&mut scene, &mut before, &mut known);
            }
        }
        follow(&mut scene, &mut before, &mut known);
    }
}

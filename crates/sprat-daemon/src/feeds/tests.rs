use crate::fetch::Validators;

use super::feed::MAX_TAKEN;
use super::*;

const URL: &str = "https://feed.example/rss?key=0";

fn date(day: u32) -> Timestamp {
    format!("2026-03-{day:02}T12:00:00Z").parse().unwrap()
}

fn minutes(minutes: u64) -> Time {
    Time::from_secs(60 * minutes)
}

fn config() -> FeedConfig {
    FeedConfig { url: URL.to_owned(), interval_secs: None, paused: false }
}

fn name(text: &str) -> Name {
    text.to_owned().try_into().unwrap()
}

fn rule(json: &str) -> Rule {
    serde_json::from_str(json).unwrap()
}

fn channel(titles: &[&str]) -> Channel {
    let items: String = titles
        .iter()
        .map(|title| {
            format!("<item><title>{title}</title><guid>{title}</guid><link>/{title}.torrent</link></item>")
        })
        .collect();
    let document = format!("<rss version='2.0'><channel><title>F</title>{items}</channel></rss>");
    parse(document.as_bytes(), &URL.parse().unwrap()).unwrap()
}

fn changed(titles: &[&str]) -> Fetched {
    Fetched::Changed { channel: channel(titles), validators: Validators::default() }
}

fn failed() -> Fetched {
    Fetched::Failed { reason: "no".to_owned(), retry_after: None }
}

fn titles(matches: &[Match]) -> Vec<&str> {
    matches.iter().map(|found| found.item.title.as_str()).collect()
}

/// Feeds with one feed, and the rules.
fn with_rules(rules: &[(&str, &str)]) -> (Feeds, Name) {
    let mut feeds = Feeds::new(SavedFeeds::default(), Time::ZERO, 7);
    feeds.set_feed(Time::ZERO, name("feed"), config()).unwrap();
    for (called, json) in rules {
        assert_eq!(feeds.set_rule(date(1), name(called), rule(json)).unwrap(), []);
    }
    (feeds, name("feed"))
}

/// Fetches all that is due at the latest at `now`. What is found is not added yet.
fn fetch_only(feeds: &mut Feeds, now: Time, date: Timestamp, result: &Fetched) -> Vec<Match> {
    let due = feeds.poll(now);
    assert!(!due.is_empty(), "nothing is due");
    due.into_iter().flat_map(|due| feeds.fetched(now, date, &due.ticket, result.clone())).collect()
}

/// The same, and adds what is found.
fn fetch(feeds: &mut Feeds, now: Time, date: Timestamp, result: &Fetched) -> Vec<Match> {
    let found = fetch_only(feeds, now, date, result);
    for found in &found {
        feeds.settle(found, Ok(()));
    }
    found
}

#[test]
fn what_a_rule_wants_is_handed_out_once_as_the_rule_says() {
    let shows = r#"{"must_contain":"show","must_not_contain":"720p","add":{"label":"tv","paused":true}}"#;
    let (mut feeds, feed) = with_rules(&[("off", r#"{"enabled":false}"#), ("shows", shows), ("rest", "{}")]);
    let found = fetch(&mut feeds, minutes(0), date(1), &changed(&["Show A", "Show A 720p", "Film"]));
    let by: Vec<(&str, &str)> = found.iter().map(|it| (it.item.title.as_str(), it.rule.as_str())).collect();
    assert_eq!(by, [("Show A", "shows"), ("Show A 720p", "rest"), ("Film", "rest")]);
    assert_eq!(
        (&found[0].feed, found[0].add.label.as_deref(), found[0].add.paused),
        (&feed, Some("tv"), true)
    );
    let found = fetch(&mut feeds, minutes(60), date(1), &changed(&["Show B", "Show A", "Film"]));
    assert_eq!(titles(&found), ["Show B"]);
}

#[test]
fn a_restart_forgets_nothing_that_counts() {
    let (mut feeds, _) = with_rules(&[("all", r#"{"each_episode_once":true}"#)]);
    fetch(&mut feeds, minutes(0), date(1), &changed(&["A S01E01"]));
    let saved = serde_json::to_string(&feeds.save()).unwrap();
    let saved: SavedFeeds = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved, feeds.save());

    let mut feeds = Feeds::new(saved, Time::ZERO, 8);
    let found = fetch(&mut feeds, minutes(1), date(2), &changed(&["A S01E01", "A 1x01 again", "A S01E02"]));
    assert_eq!(titles(&found), ["A S01E02"]);
    assert_eq!(feeds.rules().next().unwrap().last_match.unwrap().title, "A S01E02");
}

#[test]
fn a_new_rule_takes_what_is_there_already() {
    let (mut feeds, _) = with_rules(&[]);
    assert_eq!(fetch(&mut feeds, minutes(0), date(1), &changed(&["A", "B"])), []);
    let mut set = |json| feeds.set_rule(date(1), name("a"), rule(json)).unwrap();
    assert_eq!(titles(&set(r#"{"must_contain":"a"}"#)), ["A"]);
    assert_eq!(titles(&set(r#"{"must_contain":""}"#)), ["B"]);
    assert_eq!(feeds.rules().count(), 1);
}

#[test]
fn corrections_of_an_episode_are_taken_and_repetitions_are_not() {
    let (mut feeds, _) = with_rules(&[("all", r#"{"each_episode_once":true,"episodes":"1x1-2;2x"}"#)]);
    let all = [
        "A S01E01 720p",
        "A S01E01 1080p",
        "A S01E01 PROPER",
        "A S01E01 REPACK",
        "A S01E01 REPACK2",
        "A S01E01",
        "A S01E03",
        "B S01E01",
        "A S01E01-E02",
        "A S02E09",
        "A no episode",
    ];
    let found = fetch(&mut feeds, minutes(0), date(1), &changed(&all));
    let expected =
        ["A S01E01 720p", "A S01E01 PROPER", "A S01E01 REPACK2", "B S01E01", "A S01E01-E02", "A S02E09"];
    assert_eq!(titles(&found), expected);
}

#[test]
fn nothing_is_wanted_for_some_days_after_a_match() {
    let (mut feeds, _) = with_rules(&[("all", r#"{"ignore_days":3}"#)]);
    assert_eq!(titles(&fetch(&mut feeds, minutes(0), date(1), &changed(&["A", "B"]))), ["A"]);
    assert_eq!(titles(&fetch(&mut feeds, minutes(60), date(3), &changed(&["C"]))), [""; 0]);
    assert_eq!(titles(&fetch(&mut feeds, minutes(120), date(4), &changed(&["D"]))), ["D"]);
}

#[test]
fn a_rule_is_for_its_feeds_only() {
    let (mut feeds, _) = with_rules(&[]);
    let of_second = || rule(r#"{"feeds":["second"]}"#);
    let missing = feeds.set_rule(date(1), name("rule"), of_second());
    assert_eq!(missing, Err(RuleError::NoSuchFeed("second".to_owned())));
    feeds.set_feed(Time::ZERO, name("second"), config()).unwrap();
    feeds.set_rule(date(1), name("rule"), of_second()).unwrap();
    let found = fetch(&mut feeds, minutes(0), date(1), &changed(&["A"]));
    assert_eq!(found.iter().map(|it| it.feed.as_str()).collect::<Vec<_>>(), ["second"]);
}

#[test]
fn a_rule_can_be_tested() {
    let (mut feeds, feed) = with_rules(&[]);
    fetch(&mut feeds, minutes(0), date(1), &changed(&["A S01E01", "B", "C x"]));
    let tested = rule(r#"{"enabled":false,"must_contain":"a | c","must_not_contain":"x"}"#);
    let results: Vec<_> =
        feeds.test_rule(date(1), &name("t"), tested).unwrap().into_iter().map(|it| it.verdict).collect();
    assert_eq!(results, [Ok(()), Err(Rejection::MustContain), Err(Rejection::MustNotContain)]);
    let other = Rule { feeds: [name("another")].into(), ..Rule::default() };
    let results = feeds.test_rule(date(1), &name("t"), other).unwrap();
    assert!(results.iter().all(|it| *it.feed == feed && it.verdict == Err(Rejection::OtherFeed)));
    assert_eq!(feeds.rules().count(), 0);
    let no_expression = rule(r#"{"notation":"regex","must_contain":"["}"#);
    assert!(feeds.set_rule(date(1), name("t"), no_expression).is_err());
}

#[test]
fn what_could_not_be_added_comes_again_a_few_times() {
    let (mut feeds, feed) = with_rules(&[("all", r#"{"each_episode_once":true,"ignore_days":9}"#)]);
    let mut result = changed(&["A S01E01"]);
    let mut handed_out = 0;
    for number in 0..10 {
        for found in fetch_only(&mut feeds, minutes(60 * number), date(1), &result) {
            handed_out += 1;
            feeds.settle(&found, Err("no room".to_owned()));
        }
        result = Fetched::Unchanged;
    }
    assert_eq!(handed_out, 5);
    let shown = feeds.items(&feed).unwrap().next().unwrap();
    assert_eq!((shown.is_taken, shown.failure), (true, Some("no room")));

    // Given up, but the episode is not there: another of it is welcome.
    let offered = changed(&["A S01E01", "A S01E01 1080p"]);
    assert_eq!(titles(&fetch(&mut feeds, minutes(600), date(1), &offered)), ["A S01E01 1080p"]);
}

#[test]
fn a_correction_that_does_not_come_takes_nothing_from_what_is_there() {
    let (mut feeds, _) = with_rules(&[("all", r#"{"each_episode_once":true}"#)]);
    fetch(&mut feeds, minutes(0), date(1), &changed(&["A S01E01 720p"]));
    let offered = changed(&["A S01E01 PROPER", "A S01E01 REPACK2", "A S01E01 1080p", "A S01E02"]);
    let found = fetch_only(&mut feeds, minutes(60), date(2), &offered);
    assert_eq!(titles(&found), ["A S01E01 PROPER", "A S01E01 REPACK2", "A S01E02"]);
    let gone = || Err("the server answered with status 404".to_owned());
    feeds.settle(&found[0], gone());
    feeds.settle(&found[1], gone());
    assert_eq!(feeds.rules().next().unwrap().last_match.unwrap().title, "A S01E02", "it is being added");
    feeds.settle(&found[2], gone());
    let last = feeds.rules().next().unwrap().last_match.unwrap().clone();
    assert_eq!((last.title.as_str(), last.date), ("A S01E01 720p", date(1)));

    // It has that episode as it was: better ones are wanted again, others of it are not; also after a restart.
    for mut feeds in [Feeds::new(feeds.save(), minutes(60), 7), feeds] {
        let again = fetch_only(&mut feeds, minutes(120), date(2), &offered);
        assert_eq!(titles(&again), ["A S01E01 PROPER", "A S01E01 REPACK2", "A S01E02"]);
        // The second correction comes, and the first is not needed any more.
        feeds.settle(&again[1], Ok(()));
        feeds.settle(&again[0], gone());
        feeds.settle(&again[2], Ok(()));
        assert_eq!(fetch(&mut feeds, minutes(180), date(2), &offered), []);
    }
}

#[test]
fn the_days_after_a_match_are_not_over_because_another_did_not_come() {
    let (mut feeds, _) = with_rules(&[("all", r#"{"ignore_days":3}"#)]);
    fetch(&mut feeds, minutes(0), date(1), &changed(&["A"]));
    let found = fetch_only(&mut feeds, minutes(60), date(4), &changed(&["B"]));
    feeds.settle(&found[0], Err("no room".to_owned()));
    assert_eq!(fetch(&mut feeds, minutes(120), date(3), &changed(&["C"])), []);
}

#[test]
fn what_a_feed_has_offered_is_known_also_if_the_feed_is_gone_before_it_was_added() {
    let (mut feeds, feed) = with_rules(&[("all", r#"{"each_episode_once":true}"#)]);
    let found = fetch_only(&mut feeds, minutes(0), date(1), &changed(&["A S01E01"]));
    feeds.remove_feed(&feed).unwrap();
    feeds.settle(&found[0], Ok(()));
    let mut after = Feeds::new(feeds.save(), minutes(0), 7);
    after.set_feed(minutes(0), feed, config()).unwrap();
    assert_eq!(fetch(&mut after, minutes(0), date(1), &changed(&["A S01E01 again"])), []);
}

#[test]
fn what_is_being_added_holds_up_its_feed_and_is_not_saved_as_taken() {
    let (mut feeds, feed) = with_rules(&[("all", r#"{"each_episode_once":true}"#)]);
    let found = fetch_only(&mut feeds, minutes(0), date(1), &changed(&["A S01E01"]));
    feeds.refresh(minutes(1), &feed).unwrap();
    assert_eq!((feeds.poll(minutes(1)), feeds.next_due()), (Vec::new(), None));

    // As if the daemon had been killed now.
    let mut after = Feeds::new(feeds.save(), Time::ZERO, 7);
    let again = fetch(&mut after, minutes(1), date(1), &changed(&["A S01E01"]));
    assert_eq!(titles(&again), ["A S01E01"]);

    feeds.settle(&found[0], Ok(()));
    assert_eq!(feeds.poll(minutes(1)).len(), 1);
    let mut after = Feeds::new(feeds.save(), Time::ZERO, 7);
    assert_eq!(fetch(&mut after, minutes(1), date(1), &changed(&["A S01E01"])), []);
}

#[test]
fn feeds_are_fetched_again_after_their_interval() {
    let (mut feeds, feed) = with_rules(&[]);
    assert_eq!(feeds.next_due(), Some(Time::ZERO));
    fetch(&mut feeds, minutes(0), date(1), &changed(&[]));
    let due = feeds.next_due().unwrap();
    assert!((minutes(27)..=minutes(33)).contains(&due), "{due:?}");
    assert_eq!(feeds.poll(minutes(26)), []);

    let often = FeedConfig { interval_secs: Some(1), ..config() };
    feeds.set_feed(minutes(1), feed.clone(), often).unwrap();
    fetch(&mut feeds, minutes(1), date(1), &changed(&[]));
    assert!(feeds.next_due().unwrap() >= minutes(6));
    feeds.refresh(minutes(2), &feed).unwrap();
    assert_eq!(feeds.poll(minutes(2)).len(), 1);
    assert_eq!((feeds.poll(minutes(99)), feeds.next_due()), (Vec::new(), None));
}

#[test]
fn a_feed_may_ask_for_more_time_where_the_user_has_not_said_how_much() {
    let (mut feeds, feed) = with_rules(&[]);
    let mut pause = |interval_secs, minutes_asked_for: u64| {
        feeds.set_feed(minutes(0), feed.clone(), FeedConfig { interval_secs, ..config() }).unwrap();
        let patience = Some(Duration::from_secs(60 * minutes_asked_for));
        let channel = Channel { patience, ..channel(&[]) };
        let result = Fetched::Changed { channel, validators: Validators::default() };
        fetch(&mut feeds, minutes(0), date(1), &result);
        feeds.next_due().unwrap().since(Time::ZERO).as_secs() / 60
    };
    assert!((27..=33).contains(&pause(None, 10)), "less than usual is no wish");
    assert!((108..=132).contains(&pause(None, 120)));
    assert!((1296..=1584).contains(&pause(None, 1_000_000)), "a day at the most");
    assert!((9..=11).contains(&pause(Some(600), 120)));
}

#[test]
fn a_shorter_usual_interval_holds_at_once() {
    let (mut feeds, _) = with_rules(&[]);
    fetch(&mut feeds, minutes(0), date(1), &changed(&[]));
    feeds.set_usual_interval(minutes(1), Duration::from_secs(600));
    assert!(feeds.next_due().unwrap() <= minutes(11));
    feeds.set_usual_interval(minutes(1), Duration::from_secs(1));
    assert_eq!(feeds.next_due().unwrap(), minutes(6), "but not more often than every five minutes");
}

#[test]
fn failures_are_shown_and_make_pauses_longer() {
    let (mut feeds, feed) = with_rules(&[]);
    let mut now = Time::ZERO;
    let mut pauses = Vec::new();
    for _ in 0..12 {
        fetch(&mut feeds, now, date(1), &failed());
        let due = feeds.next_due().unwrap();
        pauses.push(due.since(now).as_secs() / 3600);
        now = due;
    }
    assert!(
        pauses.is_sorted_by(|a, b| a <= &(b + 3)) && pauses[0] <= 1 && (20..=27).contains(&pauses[11]),
        "{pauses:?}"
    );
    let status = feeds.feeds().next().unwrap();
    assert_eq!((status.error, status.failures, status.next_fetch), (Some("no"), 12, Some(now)));

    feeds.refresh(now, &feed).unwrap();
    fetch(&mut feeds, now, date(2), &Fetched::Unchanged);
    let status = feeds.feeds().next().unwrap();
    assert_eq!((status.error, status.failures, status.fetched), (None, 0, Some(date(2))));

    let patience = Duration::from_secs(3 * 3600);
    feeds.refresh(now, &feed).unwrap();
    fetch(
        &mut feeds,
        now,
        date(2),
        &Fetched::Failed { reason: "later".to_owned(), retry_after: Some(patience) },
    );
    assert!(feeds.next_due().unwrap().since(now) >= patience);
}

#[test]
fn a_result_that_nobody_waits_for_any_more_is_dropped() {
    let (mut feeds, feed) = with_rules(&[("all", "{}")]);
    let old = feeds.poll(minutes(0)).remove(0);
    let elsewhere = FeedConfig { url: "https://other.example/".to_owned(), ..config() };
    feeds.set_feed(minutes(0), feed.clone(), elsewhere).unwrap();
    assert_eq!(feeds.fetched(minutes(1), date(1), &old.ticket, changed(&["A"])), []);
    let new = feeds.poll(minutes(1)).remove(0);
    assert_eq!(new.url, "https://other.example/");
    feeds.remove_feed(&feed).unwrap();
    assert_eq!(feeds.fetched(minutes(1), date(1), &new.ticket, changed(&["A"])), []);
    assert_eq!(feeds.remove_feed(&feed), Err(FeedsError::NoSuchFeed));
}

#[test]
fn only_a_few_are_fetched_at_a_time_and_none_is_forgotten() {
    let mut feeds = Feeds::new(SavedFeeds::default(), Time::ZERO, 7);
    for number in 0..10 {
        feeds.set_feed(Time::ZERO, name(&number.to_string()), config()).unwrap();
    }
    feeds.set_feed(Time::ZERO, name("paused"), FeedConfig { paused: true, ..config() }).unwrap();
    let mut rounds = Vec::new();
    loop {
        let due = feeds.poll(Time::ZERO);
        assert!(due.len() < MAX_FETCHES || feeds.next_due().is_none());
        if due.is_empty() {
            break;
        }
        rounds.push(due.len());
        for due in due {
            feeds.fetched(Time::ZERO, date(1), &due.ticket, failed());
        }
    }
    assert_eq!(rounds, [4, 4, 2]);
}

#[test]
fn what_a_feed_still_offers_is_never_forgotten() {
    let (mut feeds, _) = with_rules(&[("all", "{}")]);
    let numbers: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let mut handed_out = 0;
    for (round, newer) in (0..).zip(numbers.chunks(1000)) {
        // "old" stays in the feed among a thousand others that come and go.
        let titles: Vec<&str> = std::iter::once("old").chain(newer.iter().map(String::as_str)).collect();
        handed_out += fetch(&mut feeds, minutes(60 * round), date(1), &changed(&titles)).len();
    }
    assert_eq!(handed_out, 20_001);
    let saved = serde_json::to_string(&feeds.save()).unwrap();
    assert!(saved.len() < 40 * MAX_TAKEN, "{}", saved.len());
}

use super::*;

const URL: &str = "http://tracker.example:80/announce?passkey=1";

fn silence() -> Result<(), TrackerFailure> {
    Err(TrackerFailure::unreachable("connection refused"))
}

fn refused() -> Result<(), TrackerFailure> {
    Err(TrackerFailure::answered("unregistered torrent"))
}

/// Has the host go down at `now`.
fn down(now: Time) -> TrackerHosts {
    let mut hosts = TrackerHosts::default();
    for _ in 0..DOWN_AFTER {
        assert!(!hosts.is_down(URL));
        assert_eq!(hosts.admit(now, URL, Haste::Awake), Admission::Granted);
        hosts.note(now, URL, &silence());
    }
    assert!(hosts.is_down(URL));
    hosts
}

#[test]
fn a_host_is_known_by_scheme_name_and_port() {
    for (url, host) in [
        (URL, "http://tracker.example:80"),
        ("HTTP://user:pass@Tracker.example:80?x", "http://tracker.example:80"),
        ("udp://tracker.example:80", "udp://tracker.example:80"),
        ("https://[::1]:443/a/b://c", "https://[::1]:443"),
        ("nonsense", "://nonsense"),
        ("", "://"),
    ] {
        assert_eq!(host_of(url), host, "{url}");
    }
}

#[test]
fn while_it_is_down_one_at_a_time_looks_and_pauses_grow() {
    let start = Time::from_secs(100);
    let mut hosts = down(start);
    let mut now = start;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let Admission::Down { until, reason } = hosts.admit(now, URL, Haste::Awake) else {
            panic!("let through")
        };
        assert_eq!(&*reason, "connection refused");
        pauses.push(until.since(now).as_secs());
        now = until;
        assert_eq!(hosts.admit(now, URL, Haste::Awake), Admission::Granted);
        assert!(matches!(hosts.admit(now, URL, Haste::Asked), Admission::Down { .. }), "two at a time");
        hosts.note(now, URL, &silence());
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900, 900]);
    let other_port = "http://tracker.example:81/announce";
    assert_eq!(hosts.admit(now, other_port, Haste::Awake), Admission::Granted);
}

#[test]
fn the_user_may_look_at_any_time_and_an_answer_of_any_kind_ends_it() {
    for answer in [Ok(()), refused()] {
        let now = Time::from_secs(1);
        let mut hosts = down(now);
        assert_eq!(hosts.admit(now, URL, Haste::Asked), Admission::Granted);
        hosts.note(now, URL, &answer);
        assert!(!hosts.is_down(URL));
        assert_eq!(hosts.admit(now, URL, Haste::Awake), Admission::Granted);
    }
}

#[test]
fn sleepers_wait_for_the_first_answer_and_then_come_one_after_the_other() {
    let mut hosts = TrackerHosts::default();
    let now = Time::from_secs(1);
    assert_eq!(hosts.admit(now, URL, Haste::Patient), Admission::Granted);
    let Admission::Later(second) = hosts.admit(now, URL, Haste::Patient) else { panic!("two at a time") };
    assert_eq!(hosts.admit(now, URL, Haste::Awake), Admission::Granted, "nobody who is awake waits for them");
    let Admission::Later(again) = hosts.admit(second, URL, Haste::InTurn) else { panic!("before an answer") };
    hosts.note(again, URL, &refused());
    assert_eq!(hosts.admit(again, URL, Haste::InTurn), Admission::Granted);
    let turns: Vec<Time> = (0..50)
        .filter_map(|_| match hosts.admit(again, URL, Haste::Patient) {
            Admission::Later(turn) => Some(turn),
            _ => None,
        })
        .collect();
    assert!(turns.windows(2).all(|pair| pair[1] == pair[0] + GAP), "{turns:?}");
    assert!(turns.len() >= 49);
}

#[test]
fn an_answer_that_never_comes_is_not_awaited_for_ever() {
    let mut hosts = TrackerHosts::default();
    assert_eq!(hosts.admit(Time::ZERO, URL, Haste::Patient), Admission::Granted);
    let later = Time::ZERO + PATIENCE;
    assert_eq!(hosts.admit(later, URL, Haste::Patient), Admission::Granted);
}

#[test]
fn hosts_that_torrents_make_up_are_not_all_kept() {
    let mut hosts = TrackerHosts::default();
    for number in 0..3 * MOST_HOSTS {
        let url = format!("udp://{number}.example:1");
        assert_eq!(hosts.admit(Time::from_secs(number as u64), &url, Haste::Awake), Admission::Granted);
    }
    assert!(hosts.hosts.len() <= MOST_HOSTS);
}

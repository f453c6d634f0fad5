use super::*;

const TARGET: NodeId = NodeId([0; 20]);
const RTT: Duration = Duration::from_millis(50);

/// Shares `prefix` bits with the target; each has a network of its own.
fn contact(prefix: usize, number: u8) -> Contact {
    let mut id = NodeId([0; 20]);
    set_bit(&mut id, prefix, true);
    id.0[19] = number;
    Contact { id, address: SocketAddr::from(([20, prefix as u8, number, 1], 1)) }
}

fn lookup() -> Lookup {
    Lookup::new(TARGET, NodeId([0xff; 20]))
}

fn drain(lookup: &mut Lookup) -> Vec<Contact> {
    std::iter::from_fn(|| lookup.next_query().map(|next| next.contact)).collect()
}

fn answer(lookup: &mut Lookup, contact: Contact, nodes: &[Contact]) {
    let answer = Answer { nodes, token: Some(Bytes::from_static(b"t")), found: false };
    lookup.answered(&contact, Ask::Target, RTT, &answer);
}

#[test]
fn four_are_asked_at_once_and_one_more_for_each_that_is_slow() {
    let mut lookup = lookup();
    for number in 0..20 {
        lookup.add_known(contact(4, number), None);
    }
    let first = drain(&mut lookup);
    assert_eq!(first.len(), PARALLEL);
    lookup.slow(&first[0]);
    assert_eq!(drain(&mut lookup).len(), 1);
    answer(&mut lookup, first[0], &[]);
    assert_eq!(drain(&mut lookup).len(), 0, "late, but it counts: four others are on their way");
    for contact in &first[1..] {
        lookup.failed(contact);
    }
    assert_eq!(drain(&mut lookup).len(), 3);
}

#[test]
fn it_ends_when_the_eight_closest_have_answered_and_not_before() {
    let mut lookup = lookup();
    for number in 0..8 {
        lookup.add_known(contact(4, number), None);
    }
    let mut closer = (0..8).map(|number| contact(9, number));
    let mut asked = 0;
    while !lookup.is_idle() {
        let Some(next) = lookup.next_query() else { panic!("neither idle nor asking") };
        asked += 1;
        // Each of the first answers has one closer node in it.
        let nodes: Vec<Contact> = closer.next().into_iter().collect();
        answer(&mut lookup, next.contact, &nodes);
    }
    assert_eq!(lookup.closest(8), (0..8).map(|number| contact(9, number)).collect::<Vec<_>>());
    assert!(asked < 16, "{asked}: not everybody far away was asked");
    assert_eq!(lookup.hops(), 2);
}

#[test]
fn nobody_known_is_idle_at_once_and_silence_is_waited_for() {
    let mut lookup = lookup();
    assert!(lookup.is_idle());
    lookup.add_known(contact(3, 1), None);
    assert!(!lookup.is_idle());
    let next = lookup.next_query().unwrap();
    lookup.slow(&next.contact);
    assert!(!lookup.is_idle(), "there is nobody else");
    lookup.failed(&next.contact);
    assert!(lookup.is_idle());
    assert_eq!(lookup.candidates(), 0);
}

#[test]
fn the_quicker_of_two_equally_close_ones_is_asked_first() {
    let mut lookup = lookup();
    lookup.add_known(contact(4, 1), Some(RTT * 4));
    lookup.add_known(contact(4, 2), Some(RTT));
    lookup.add_known(contact(6, 3), Some(RTT * 9));
    assert_eq!(drain(&mut lookup), [contact(6, 3), contact(4, 2), contact(4, 1)]);
}

#[test]
fn an_address_counts_once_a_network_twice_and_an_answer_sixteen_times() {
    let mut lookup = lookup();
    let at = |prefix, host: u8, port| Contact {
        address: SocketAddr::from(([9, 9, 9, host], port)),
        ..contact(prefix, host)
    };
    for (candidate, count) in
        [(at(1, 1, 1), 1), (at(2, 1, 1), 1), (at(3, 1, 2), 1), (at(4, 2, 1), 2), (at(5, 3, 1), 2)]
    {
        lookup.add_known(candidate, None);
        assert_eq!(lookup.candidates(), count);
    }
    let many: Vec<Contact> = (0..40).map(|number| contact(8, number)).collect();
    let next = lookup.next_query().unwrap();
    answer(&mut lookup, next.contact, &many);
    assert_eq!(lookup.candidates(), 2 + MAX_FROM_ONE);
    assert!(lookup.pool.len() <= MAX_POOL);
}

#[test]
fn the_internet_does_not_lead_into_private_networks() {
    let mut lookup = lookup();
    lookup.add_known(contact(1, 1), None);
    let next = lookup.next_query().unwrap();
    let bad = ["10.0.0.1:1", "127.0.0.1:1", "224.0.0.1:1", "0.0.0.0:1", "255.255.255.255:1", "[::1]:1"];
    let nodes: Vec<Contact> = (10..)
        .zip(bad)
        .map(|(number, address)| Contact { address: address.parse().unwrap(), ..contact(5, number) })
        .collect();
    answer(&mut lookup, next.contact, &nodes);
    assert_eq!(lookup.candidates(), 1);
    assert!(is_usable("10.0.0.1:1".parse().unwrap(), true), "but within one they may");
}

#[test]
fn a_sweep_finds_those_that_a_crowd_hides() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut honest = Vec::new();
    for number in 0..=255_u8 {
        let mut contact = contact(0, number);
        random.fill(&mut contact.id.0);
        honest.push(contact);
    }
    let crowd: Vec<Contact> = (0..100).map(|number| contact(150, number)).collect();
    let mut lookup = lookup();
    for contact in &honest[..16] {
        lookup.add_known(*contact, None);
    }
    let depth = 3;
    loop {
        let Some(next) = lookup.next_query() else {
            assert!(lookup.is_idle());
            if lookup.is_sweeping() {
                break;
            }
            lookup.begin_sweep(Region { depth, innermost: 8 }, &mut random);
            continue;
        };
        let about = match next.ask {
            Ask::Target => TARGET,
            Ask::Point(_, point) => point,
        };
        let mut known =
            if crowd.contains(&next.contact) { crowd.clone() } else { [&honest[..], &crowd].concat() };
        known.sort_by_key(|contact| node_id::distance(contact.id, about));
        known.truncate(8);
        let answer = Answer { nodes: &known, token: Some(Bytes::from_static(b"t")), found: false };
        lookup.answered(&next.contact, next.ask, RTT, &answer);
    }
    let storers = lookup.storers();
    let region = honest.iter().filter(|contact| node_id::common_prefix(contact.id, TARGET) >= depth).count();
    let reached = storers.iter().filter(|storer| honest.contains(&storer.contact)).count();
    assert!(reached * 4 >= region * 3, "{reached} of {region}");
    assert!(storers.len() <= MAX_OF_SHELL.iter().sum(), "{}", storers.len());
}

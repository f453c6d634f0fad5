use super::*;

/// A scenario file with this in place of something.
fn with(replace: &str, by: &str) -> Result<Scenario, ScenarioError> {
    let hello = Scenario::builtin_text("hello").unwrap();
    assert!(hello.contains(replace), "{replace}");
    Scenario::parse("test", &hello.replacen(replace, by, 1))
}

#[test]
fn every_builtin_scenario_runs_with_a_few_peers() {
    for name in Scenario::builtin_names() {
        let scenario = Scenario::builtin(name).unwrap();
        assert!(!scenario.question().is_empty() && scenario.runs().len() > 0, "{name}");
        let small = scenario
            .with("content.size", "512 KiB")
            .and_then(|scenario| scenario.with("content.piece-length", "32 KiB"))
            .and_then(|scenario| scenario.scaled_down(4))
            .unwrap();
        let outcome = small.simulate(1, &mut ()).unwrap();
        for run in &outcome.runs {
            assert_eq!(run.violation, None, "{name}, {}", run.name);
            assert!(run.figures.contains_key("mean"), "{name}, {}: {:?}", run.name, run.figures);
            let moments = run.series.seconds.len();
            assert!(moments > 2 && run.series.diversity.len() == moments, "{name}");
            assert!(run.series.progress.iter().all(|progress| progress.len() == moments), "{name}");
        }
    }
}

#[test]
fn the_same_seed_has_the_same_outcome() {
    let run = |seed: u64| {
        let scenario = Scenario::builtin("hello").unwrap().with("groups.leechers.count", "5").unwrap();
        serde_json::to_string(&scenario.simulate(seed, &mut ()).unwrap()).unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn payload_is_accounted_for() {
    let scenario = Scenario::builtin("hello").unwrap().with("groups.leechers.count", "5").unwrap();
    let outcome = scenario.simulate(1, &mut ()).unwrap();
    let run = &outcome.runs[0];
    let to_leechers: u64 = run.groups[1].downloaded;
    assert!((5 * (16 << 20)..5 * (17 << 20)).contains(&to_leechers), "{to_leechers}");
    assert_eq!(run.flows.iter().flatten().sum::<u64>(), run.peer_flows.iter().flatten().sum::<u64>());
    assert_eq!(run.peer_groups, [0, 1, 1, 1, 1, 1]);
    assert_eq!(peer_name(run, crate::PeerNumber(2)), "leechers 2");
    assert!(run.figures["utilisation"] > 0.5 && run.figures["utilisation"] <= 1.0, "{:?}", run.figures);
}

#[test]
fn an_error_names_the_field() {
    let cases = [
        ("count = 20", "count = -1", "count"),
        ("count = 20", "count = 999999", "groups"),
        ("count = 20", "cuont = 20", "cuont"),
        ("count = 20", "", "count"),
        ("upload = \"256 KiB/s\"", "upload = \"256 KiB\"", "upload"),
        ("upload = \"256 KiB/s\"", "upload = \"0 B/s\"", "groups.leechers.upload"),
        ("piece-length = \"128 KiB\"", "piece-length = \"100 KiB\"", "content.piece-length"),
        ("size = \"16 MiB\"", "size = \"16 apples\"", "size"),
        ("size = \"16 MiB\"", "size = \"100 GiB\"", "content.size"),
        ("limit = \"30 min\"", "limit = \"99 d\"", "limit"),
        ("last / bound <= 1.30", "last over bound", "targets"),
        ("last / bound <= 1.30", "control:last <= 1", "targets"),
        ("check-messages = true", "measured = [0.9, 0.1]", "measured"),
        ("count = 20", "count = 20\narrive = { recorded = [\"1 s\"] }", "groups.leechers.arrive"),
        ("count = 20", "count = 20\nbehaviour = \"evil\"", "behaviour"),
        ("count = 20", "count = 20\nlatency = \"1 h\"", "groups.leechers.latency"),
        ("[content]", "[network]\nmodel = \"quantum\"\n[content]", "model"),
        (
            "[groups.seed]",
            "[[faults]]\nkind = \"clog\"\nfrom = \"0 s\"\nuntil = \"1 s\"\ngroup = \"x\"\n[groups.seed]",
            "faults[0].group",
        ),
        (
            "[groups.seed]",
            "[[runs]]\nname = \"a\"\nset = { \"groups.leechers.colour\" = 1 }\n[groups.seed]",
            "colour",
        ),
        (
            "[groups.seed]",
            "[[runs]]\nname = \"a\"\nset = { groups.leechers.count = 1 }\n[groups.seed]",
            "groups",
        ),
        ("[groups.seed]", "[[runs]]\nnom = \"a\"\n[groups.seed]", "runs"),
        ("question", "answer", "answer"),
    ];
    for (replace, by, field) in cases {
        let error = with(replace, by).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(field), "{by}: {error}");
    }
    assert!(Scenario::builtin("nothing").is_err());
    assert!(Scenario::parse("test", &"#".repeat(LONGEST_FILE + 1)).is_err());
}

#[test]
fn a_file_can_say_it_all() {
    let more = "count = 20\narrive = { flash-crowd = { mean = \"10 s\" } }\nleave = { after-completion = \"5 s\" }\n\
        has = { some = \"30 %\" }\nbehaviour = \"honest\"\nfrom-magnet = true\nsequential = true\ndisk-jitter = \"5 ms\"\n\
        failing-disk-calls = [3]\nsession = { connections = 10, min-slots = 2, max-slots = 8, pex = false, knows-upload = true }";
    let scenario = with("count = 20", more).unwrap();
    let outcome = scenario.simulate(3, &mut ()).unwrap();
    assert_eq!(outcome.runs[0].violation, None);
    assert!(
        (outcome.runs[0].figures["complete"] - 1.0).abs() < f64::EPSILON,
        "{:?}",
        outcome.runs[0].figures
    );
}

#[test]
fn a_key_can_be_set_and_the_file_printed() {
    let scenario = Scenario::builtin("free-riders").unwrap();
    let other = scenario.with("groups.contributors.upload", "1 MiB/s").unwrap();
    let other = other.with("groups.contributors.arrive", "{ at = \"5 s\" }").unwrap();
    let printed = other.to_toml();
    let again = Scenario::parse("again", &printed).unwrap();
    assert_eq!(again.runs().len(), 4);
    assert!(again.runs().all(|run| run.setup().groups["contributors"].upload == Rate(1 << 20)));
    assert!(scenario.with("groups.contributors.colour", "1").is_err());
    assert!(scenario.with("limit.seconds", "1").is_err());
}

#[test]
fn targets_speak_of_other_runs_and_controls_are_not_judged() {
    let scenario = Scenario::builtin("free-riders").unwrap();
    let run = |name: &str, mean: f64| {
        let mut outcome =
            with("count = 20", "count = 1").unwrap().simulate(1, &mut ()).unwrap().runs.remove(0);
        outcome.name = name.to_owned();
        let figures = [("mean.contributors", mean), ("mean.free-riders", 30.0), ("complete", 1.0)];
        outcome.figures = figures.map(|(name, value)| (name.to_owned(), value)).into();
        outcome
    };
    let runs = vec![run("control", 10.0), run("10 %", 10.5), run("25 %", 12.0), run("40 %", 16.0)];
    let outcome = scenario.judge(1, runs);
    let met: Vec<bool> = outcome.verdicts.iter().map(|verdict| verdict.met).collect();
    assert_eq!(met, [true, true, true, false, false, false]);
    assert!(!outcome.is_good());
}

#[test]
fn whoever_watches_can_stop_it() {
    let scenario = Scenario::builtin("hello").unwrap();
    let mut seen = Duration::ZERO;
    let mut stop = |moment: &Moment<'_>| {
        seen = moment.now;
        if moment.now > Duration::from_secs(3) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert!(matches!(scenario.simulate(1, &mut stop), Err(SimulateError::Interrupted)));
    assert!(seen < Duration::from_secs(5));
}

#[test]
fn a_run_of_its_own_gets_smaller() {
    let scenario = Scenario::builtin("faults").unwrap().alone(0).unwrap();
    assert_eq!((scenario.runs().len(), scenario.runs().next().unwrap().setup().faults.len()), (1, 5));
    let has_enough = |scenario: &Scenario| {
        let setup = scenario.runs().next().unwrap().setup();
        let crash = setup.faults.iter().any(|fault| matches!(fault, FaultSetup::Crash { .. }));
        (crash && setup.groups["leechers"].count >= 3).then(String::new)
    };
    let (smallest, _) = crate::shrunk(scenario, String::new(), Scenario::smaller, has_enough);
    let setup = smallest.runs().next().unwrap().setup();
    assert_eq!((setup.faults.len(), setup.groups["leechers"].count, setup.groups["seed"].count), (1, 3, 0));
    assert!(Scenario::parse("again", &smallest.to_toml()).is_ok());
}

#[test]
fn packets_regions_and_nats_can_be_asked_for() {
    let network = "[network]\nmodel = \"packet\"\nloss = \"1 %\"\nqueue = \"32 KiB\"\n\n[content]";
    let scenario = with("[content]", network).unwrap();
    let scenario = scenario
        .with("groups.leechers.count", "4")
        .and_then(|scenario| scenario.with("groups.leechers.region", "\"asia\""))
        .and_then(|scenario| scenario.with("groups.leechers.nat", "\"closed\""))
        .and_then(|scenario| scenario.with("content.size", "1 MiB"))
        .unwrap();
    let outcome = scenario.simulate(1, &mut ()).unwrap();
    assert_eq!(outcome.runs[0].violation, None);
    let wrong = with("[content]", "[network]\nloss = \"1 %\"\n\n[content]").unwrap_err().to_string();
    assert!(wrong.contains("network"), "{wrong}");
}

//! What is killed when: a kind of swap, and a moment in it.

use std::collections::BTreeSet;
use std::fmt;

use deploy_action::agent::store::{Point, Record};
use deploy_action::event::Phase;

/// Kinds of swaps that journal differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The first deployment of a service that labels route: its route is adopted.
    First,
    /// Another version after it, with a command before.
    Later,
    /// `rollback`.
    Rollback,
    /// A version that is broken behind the proxy: gone back from before the switch.
    Broken,
    /// A version that falls ill in its verify window: gone back from after the switch.
    Sick,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::First, Self::Later, Self::Rollback, Self::Broken, Self::Sick];

    /// Whether a swap of this kind writes this record. A record that this table does not know must be written by all.
    fn writes(self, word: &str) -> bool {
        match word {
            "adopting" | "adopted" => self == Self::First,
            "preparing" => self == Self::Later,
            "switching" | "switched" | "proven" => self != Self::Broken,
            "retiring" => !matches!(self, Self::Broken | Self::Sick),
            "going_back" => matches!(self, Self::Broken | Self::Sick),
            _ => true,
        }
    }

    /// Its points, but for those that another kind reaches in the same state.
    fn points(self) -> impl Iterator<Item = Point> {
        let own = move |word: &str| match self {
            Self::First | Self::Later | Self::Rollback => self.writes(word),
            Self::Broken | Self::Sick => matches!(word, "going_back" | "finished"),
        };
        Point::all().filter(move |point| own(word_of(*point)))
    }

    /// Whether the new version serves after a death at this point; `None` where that is for the caller, who may or may
    /// not hand the deployment over again.
    pub(super) fn survives(self, point: Point) -> Option<bool> {
        if matches!(self, Self::Broken | Self::Sick) {
            return Some(false);
        }
        let place = |word: &str| Record::WORDS.iter().position(|known| *known == word);
        match point {
            Point::Before("accepted") => None,
            Point::Before(word) => Some(place(word) > place("switched")),
            Point::After(word) => Some(place(word) >= place("switched")),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first swap",
            Self::Later => "later swap",
            Self::Rollback => "rollback",
            Self::Broken => "broken version",
            Self::Sick => "version that falls ill",
        })
    }
}

fn word_of(point: Point) -> &'static str {
    match point {
        Point::Before(word) | Point::After(word) => word,
    }
}

/// When the agent is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kill {
    /// By itself, at a point of the journal.
    At(Point),
    /// By itself, and once more while it makes up for the first time.
    Twice(Point, Point),
    /// From outside, after this part of the time that a swap of its kind takes.
    After(f64),
    /// By itself, and then a byte of this line of its journal is another one.
    Damaged(Point, usize),
    /// While it writes this record: half of it is in its journal.
    Torn(&'static str),
    /// Not the agent but the engine, in this phase.
    Engine(Phase),
    /// The whole host is restarted in this phase.
    Host(Phase),
}

impl Kill {
    /// The phase in which the engine or the host goes.
    pub(super) fn phase(self) -> Option<Phase> {
        match self {
            Self::Engine(phase) | Self::Host(phase) => Some(phase),
            Self::At(_) | Self::Twice(..) | Self::After(_) | Self::Damaged(..) | Self::Torn(_) => None,
        }
    }

    /// Whether the agent may be dead before it is on record that it took the deployment on: only then may nobody know of it.
    pub(super) fn may_come_first(self) -> bool {
        match self {
            Self::At(point) | Self::Twice(point, _) => point == Point::Before("accepted"),
            Self::Torn(word) => word == "accepted",
            Self::Damaged(_, line) => line == 0,
            Self::After(_) | Self::Engine(_) | Self::Host(_) => false,
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(point) => write!(f, "{point}"),
            Self::Twice(first, second) => write!(f, "{first}, then {second}"),
            Self::After(part) => write!(f, "at {:.1} %", part * 100.0),
            Self::Engine(phase) => write!(f, "the engine in {}", phase.as_str()),
            Self::Host(phase) => write!(f, "the host in {}", phase.as_str()),
            Self::Torn(word) => write!(f, "in the middle of {word}"),
            Self::Damaged(point, line) => write!(f, "{point}, line {} damaged", line + 1),
        }
    }
}

/// One death and what comes after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Case {
    pub(super) kind: Kind,
    pub(super) kill: Kill,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.kind, self.kill)
    }
}

/// Every point once, each in one of the kinds of swap that reach it, in turn.
pub(super) fn each_point_once() -> Vec<Case> {
    let mut turn = 0;
    let cases = Point::all().map(|point| {
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.points().any(|own| own == point)).collect();
        assert!(!kinds.is_empty(), "no kind of swap is known to reach {point}: see `Kind::writes`");
        turn += 1;
        Case { kind: kinds[turn % kinds.len()], kill: Kill::At(point) }
    });
    cases.collect()
}

/// Every point in every kind of swap that reaches it, and deaths while an earlier death is made up for.
pub(super) fn every_point() -> Vec<Case> {
    let single =
        Kind::ALL.into_iter().flat_map(|kind| kind.points().map(move |point| Case { kind, kill: Kill::At(point) }));
    single.chain(twice(Kind::First)).chain(twice(Kind::Later)).collect()
}

/// Deaths while an earlier one is made up for: each of a later swap, and some of a first one.
pub(super) fn some_twice() -> Vec<Case> {
    twice(Kind::Later).chain(twice(Kind::First).step_by(4)).collect()
}

/// Deaths at every record of the way back, and of the way forward.
fn twice(kind: Kind) -> impl Iterator<Item = Case> {
    let again = |first: Point, words: &'static [&str]| {
        let later = Point::all().filter(|point| words.contains(&word_of(*point)));
        later.map(move |second| Case { kind, kill: Kill::Twice(first, second) })
    };
    let back = again(Point::After("gated"), &["going_back", "finished"]);
    back.chain(again(Point::After("switched"), &["proven", "retiring", "finished"]))
}

/// A damaged line in the middle of the journal, and at its end; a last line that is half there.
pub(super) fn some_damage() -> Vec<Case> {
    let damaged = |kind, point, line| Case { kind, kill: Kill::Damaged(point, line) };
    let torn = |kind, word| Case { kind, kill: Kill::Torn(word) };
    vec![
        damaged(Kind::First, Point::After("adopting"), 1),
        torn(Kind::First, "created"),
        torn(Kind::Later, "switched"),
        damaged(Kind::Later, Point::After("creating"), 3),
        damaged(Kind::Later, Point::After("switched"), 4),
        // Its route is known from its file alone.
        damaged(Kind::First, Point::After("switched"), 1),
        // Its adoption was proven, whatever became of the line that says so.
        damaged(Kind::First, Point::After("gated"), 2),
        // Its proof is lost, and repeated once its window is over.
        damaged(Kind::Later, Point::After("retiring"), 9),
    ]
}

/// Every line of the journal damaged, but for the first, after death in the middle and at the end of a swap; and every
/// record torn.
pub(super) fn every_damage() -> Vec<Case> {
    let ends = ["created", "switched", "retiring", "finished"].map(|word| (Kind::Later, Point::After(word)));
    let ends = ends.into_iter().chain(["gated", "switched", "finished"].map(|word| (Kind::First, Point::After(word))));
    let cases = ends.flat_map(|(kind, point)| {
        let until = Record::WORDS.iter().take_while(|word| **word != word_of(point));
        let lines = until.filter(|word| kind.writes(word)).count();
        (1..=lines).map(move |line| Case { kind, kill: Kill::Damaged(point, line) })
    });
    let torn = Record::WORDS.iter().filter(|word| Kind::Later.writes(word));
    let torn = torn.map(|word| Case { kind: Kind::Later, kill: Kill::Torn(word) });
    cases.chain(torn).collect()
}

/// Every phase of a swap, each in a kind of swap that has it.
pub(super) fn each_phase(kill: fn(Phase) -> Kill) -> Vec<Case> {
    use Phase::{Adopt, Back, BeforeDeploy, Create, Gate, Prove, Pull, Rehearse, Retire, Start, Switch, Verify};
    let kind = |phase| match phase {
        Adopt => Kind::First,
        Back => Kind::Broken,
        _ => Kind::Later,
    };
    let phases = [Adopt, Pull, BeforeDeploy, Create, Start, Gate, Rehearse, Switch, Prove, Verify, Retire, Back];
    phases.into_iter().map(|phase| Case { kind: kind(phase), kill: kill(phase) }).collect()
}

/// The phases of a first swap in which the version that plain compose made serves, but for those of [`each_phase`].
pub(super) fn first_until_switched(kill: fn(Phase) -> Kill) -> Vec<Case> {
    use Phase::{Create, Gate, Pull, Rehearse, Start, Switch};
    let phases = [Pull, Create, Start, Gate, Rehearse, Switch];
    phases.into_iter().map(|phase| Case { kind: Kind::First, kill: kill(phase) }).collect()
}

/// `count` moments spread evenly over a swap, each moved within its share of it, in these kinds in turn.
pub(super) fn moments(count: u32, kinds: &[Kind], seed: u64) -> Vec<Case> {
    let mut chance = Chance(seed);
    let cases = (0..count).map(|number| {
        let part = (f64::from(number) + chance.next()) / f64::from(count);
        Case { kind: kinds[number as usize % kinds.len()], kill: Kill::After(part) }
    });
    cases.collect()
}

/// Numbers from 0 to 1 that a seed determines (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn the_plan_leaves_no_point_out() {
    let all: BTreeSet<String> = Point::all().map(|point| point.to_string()).collect();
    let hit = |cases: Vec<Case>| -> BTreeSet<String> { cases.iter().map(|case| case.kill.to_string()).collect() };
    assert_eq!(each_point_once().len(), all.len());
    assert_eq!(hit(each_point_once()), all);
    assert!(hit(every_point()).is_superset(&all));
    assert_eq!(some_twice().len(), 13);
    let moments = moments(40, &Kind::ALL, 7);
    assert!(moments.iter().all(|case| matches!(case.kill, Kill::After(part) if (0.0..1.0).contains(&part))));
}

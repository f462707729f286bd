//! From what is written to what is run: every name and value is checked, and nothing stops at the first fault.

use super::fields::{Field, WordField, field, field_names};
use super::program::{Conditions, How, Node, Program, Test, What};
use super::{Condition, Scalar, words};
use crate::model::{Action, Outcome};
use crate::rule::Network;

/// Conditions of one rule at most, those that join others included.
pub const CONDITIONS_MAX: usize = 64;
/// How deep conditions may lie within one another.
pub const CONDITION_DEPTH_MAX: usize = 4;
/// Values of one condition at most.
pub const CONDITION_VALUES_MAX: usize = 500;
/// Bytes of one value at most.
pub const VALUE_BYTES_MAX: usize = 256;
/// Parts about the record that stand in one condition with parts about the address, at most: each takes two of the bits
/// that a set of rules has.
pub const FACTS_MAX: usize = 4;

/// Every action.
const ANY_ACTION: u64 = u64::MAX >> (64 - Action::ALL.len());

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionFault {
    /// Where it stands in the outermost condition, e.g. `all[0].in[2]`; empty: there.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// A word that is not known, and those that are.
    pub word: Option<(String, Vec<&'static str>)>,
}

/// A condition that was read.
#[derive(Clone, Debug)]
enum Expr {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Test(Test, Field),
    Fact(u8),
}

/// Collects faults on the way.
#[derive(Default)]
struct Checker {
    faults: Vec<ConditionFault>,
    conditions: usize,
}

impl Condition {
    /// Made ready to be asked.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn compile(&self) -> Result<Conditions, Vec<ConditionFault>> {
        let mut checker = Checker::default();
        let expr = checker.expr(self, "", 0);
        if checker.conditions > CONDITIONS_MAX {
            checker.note("", format!("has {} conditions; at most {CONDITIONS_MAX} are allowed", checker.conditions));
        }
        let Some(expr) = expr.filter(|_| checker.faults.is_empty()) else { return Err(checker.faults) };
        let actions = expr.actions();
        if actions == 0 {
            checker.note("", "no action fulfils it: the rule could never fire".to_owned());
        }
        checker.outcomes(&expr, actions);
        let tags = expr.tags();
        let parts = Parts::of(expr);
        if parts.facts.len() > FACTS_MAX {
            let message = format!(
                "{} conditions about the record stand in one `any` or `not` with conditions about the address; at most \
                 {FACTS_MAX} are allowed",
                parts.facts.len()
            );
            checker.note("", message);
        }
        if !checker.faults.is_empty() {
            return Err(checker.faults);
        }
        Ok(Conditions {
            record: parts.record.as_ref().map(Program::of),
            facts: parts.facts.iter().map(Program::of).collect(),
            place: parts.place.as_ref().map(Program::of),
            actions,
            tags,
            words: words::of(self).into(),
        })
    }
}

impl Conditions {
    /// Does it ask for sign-ins alone?
    pub const fn is_of_sign_ins(&self) -> bool {
        is_of_sign_ins(self.actions())
    }
}

const fn is_of_sign_ins(actions: u64) -> bool {
    actions & !(1 << Action::Login as u64 | 1 << Action::MfaChallenge as u64) == 0
}

impl Checker {
    fn note(&mut self, path: &str, message: String) {
        self.faults.push(ConditionFault { path: path.to_owned(), message, word: None });
    }

    fn expr(&mut self, condition: &Condition, path: &str, depth: usize) -> Option<Expr> {
        self.conditions += 1;
        if depth > CONDITION_DEPTH_MAX {
            self.note(path, format!("lies deeper than {CONDITION_DEPTH_MAX} conditions in one another"));
            return None;
        }
        let Condition { all, any, not, field, .. } = condition;
        let named = [all.is_some(), any.is_some(), not.is_some(), field.is_some()];
        if named.iter().filter(|is| **is).count() != 1 {
            self.note(path, "give it one of `all`, `any`, `not` and `field`".to_owned());
            return None;
        }
        if field.is_none() && condition.operators().next().is_some() {
            let message = "asks something of no field; what joins conditions has no values of its own";
            self.note(path, message.to_owned());
            return None;
        }
        match (all, any, not, field) {
            (Some(parts), ..) => self.parts(parts, &join(path, "all"), depth).map(Expr::All),
            (_, Some(parts), ..) => self.parts(parts, &join(path, "any"), depth).map(Expr::Any),
            (_, _, Some(part), _) => {
                let part = self.expr(part, &join(path, "not"), depth + 1)?;
                Some(Expr::Not(Box::new(part)))
            }
            (_, _, _, Some(name)) => self.test(condition, name, path),
            _ => None,
        }
    }

    fn parts(&mut self, parts: &[Condition], path: &str, depth: usize) -> Option<Vec<Expr>> {
        if parts.is_empty() {
            self.note(path, "is empty; say what is asked".to_owned());
        }
        let read =
            parts.iter().enumerate().map(|(index, part)| self.expr(part, &format!("{path}[{index}]"), depth + 1));
        let read: Vec<Option<Expr>> = read.collect();
        read.into_iter().collect()
    }

    fn test(&mut self, condition: &Condition, name: &str, path: &str) -> Option<Expr> {
        let Some(field) = field(name) else {
            let word = Some((name.to_owned(), field_names()));
            let message = format!("`{name}` is no field that can be asked for");
            self.faults.push(ConditionFault { path: join(path, "field"), message, word });
            return None;
        };
        let operators: Vec<&str> = condition.operators().collect();
        let operator = match operators.as_slice() {
            [one] => *one,
            ["at_least", "at_most"] => "between",
            [] => {
                self.note(path, format!("asks nothing of `{name}`; {}", fitting(field)));
                return None;
            }
            many => {
                self.note(path, format!("asks {} at once; keep one, and join several by `all`", many.join(", ")));
                return None;
            }
        };
        let test = self.test_of(condition, field, operator, name, path)?;
        Some(Expr::Test(test, field))
    }

    fn test_of(&mut self, condition: &Condition, field: Field, operator: &str, name: &str, path: &str) -> Option<Test> {
        let is_in = condition.is_in.as_deref().unwrap_or_default();
        let at = join(path, operator);
        let test = match (field, operator) {
            (_, "is_set") => Test::Set { field, is: condition.is_set? },
            (Field::Words(field), "in") => Test::Words { field, among: self.words(field, is_in, &at)? },
            (Field::Flag(field), "in") => {
                let flags = self.values(is_in, &at, |value| match value {
                    Scalar::Flag(flag) => Ok(*flag),
                    _ => Err("is not true or false".to_owned()),
                })?;
                let [is] = flags.as_slice() else {
                    self.note(&at, "is always so; ask for one of true and false, or for `is_set`".to_owned());
                    return None;
                };
                Test::Flag { field, is: *is }
            }
            (Field::Number(field), "in") => Test::Among { field, values: self.values(is_in, &at, number)?.into() },
            (Field::Number(field), "at_least" | "at_most" | "between") => {
                let (low, high) = (condition.at_least.unwrap_or(0), condition.at_most.unwrap_or(u64::MAX));
                if low > high {
                    self.note(path, format!("no number is at least {low} and at most {high}"));
                    return None;
                }
                Test::Between { field, low, high }
            }
            (Field::Text(field), operator) => {
                let (how, values) = self.texts(condition, operator, name, path)?;
                Test::Text { field, how, values }
            }
            (Field::List(field), operator) => {
                let (how, values) = self.texts(condition, operator, name, path)?;
                Test::List { field, how, values }
            }
            (Field::Address, "networks") => Test::Networks { networks: self.networks(condition, &at)? },
            _ => {
                self.note(&at, format!("cannot be asked of `{name}`; {}", fitting(field)));
                return None;
            }
        };
        Some(test)
    }

    fn texts(
        &mut self,
        condition: &Condition,
        operator: &str,
        name: &str,
        path: &str,
    ) -> Option<(How, Box<[Box<str>]>)> {
        let Condition { is_in, starts_with, ends_with, contains, .. } = condition;
        let (how, values) = match operator {
            "in" => (How::Is, is_in),
            "starts_with" => (How::Starts, starts_with),
            "ends_with" => (How::Ends, ends_with),
            "contains" => (How::Contains, contains),
            _ => {
                let message = format!("cannot be asked of `{name}`; {}", fitting(Field::Text(super::TextField::User)));
                self.note(&join(path, operator), message);
                return None;
            }
        };
        // Names of users and groups are compared in small letters of every script, as they are in scopes.
        let is_of_names = matches!(name, "user.name" | "user.groups");
        let values = self.values(values.as_deref().unwrap_or_default(), &join(path, operator), |value| {
            let text = text(value)?;
            Ok(if is_of_names { text.to_lowercase() } else { text.to_ascii_lowercase() }.into_boxed_str())
        })?;
        Some((how, values.into()))
    }

    fn networks(&mut self, condition: &Condition, at: &str) -> Option<Box<[Network]>> {
        let ranges = self.values(condition.networks.as_deref().unwrap_or_default(), at, |value| {
            let network = Network::parse(text(value)?).map_err(|fault| fault.to_string())?;
            Ok((network.first, network.last))
        })?;
        Some(ranges.into_iter().map(|(first, last)| Network { first, last }).collect())
    }

    fn words(&mut self, field: WordField, values: &[Scalar], at: &str) -> Option<u64> {
        let known = field.words();
        let mut set = 0;
        for (index, value) in values.iter().enumerate() {
            let number = known.iter().position(|word| matches!(value, Scalar::Text(text) if **text == **word));
            if let Some(number) = number {
                set |= 1 << number;
            } else {
                let word = Some((value.to_string(), known.clone()));
                let path = format!("{at}[{index}]");
                self.faults.push(ConditionFault { path, message: format!("`{value}` is not known"), word });
            }
        }
        // That there are some, and none twice.
        let strings = self.values(values, at, |value| Ok(value.to_string()))?;
        if known.len() == strings.len() {
            self.note(at, "is always so once the field is there; ask for `is_set`".to_owned());
        }
        Some(set)
    }

    /// The values in order; one that is there twice is a fault.
    fn values<T: Ord>(
        &mut self,
        values: &[Scalar],
        at: &str,
        read: impl Fn(&Scalar) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let before = self.faults.len();
        if values.is_empty() {
            self.note(at, "is empty; say what is asked".to_owned());
        }
        if values.len() > CONDITION_VALUES_MAX {
            let message = format!("has {} values; at most {CONDITION_VALUES_MAX} are allowed", values.len());
            self.note(at, message);
        }
        let mut all: Vec<T> = Vec::with_capacity(values.len().min(CONDITION_VALUES_MAX));
        for (index, value) in values.iter().enumerate() {
            match read(value).map(|value| (all.binary_search(&value), value)) {
                Ok((Err(place), value)) => all.insert(place, value),
                Ok((Ok(_), _)) => self.note(&format!("{at}[{index}]"), "stands here twice; keep one".to_owned()),
                Err(message) => self.note(&format!("{at}[{index}]"), message),
            }
        }
        (self.faults.len() == before).then_some(all)
    }

    /// What failed is kept of sign-ins alone, so nothing else may ask how it ended.
    fn outcomes(&mut self, expr: &Expr, actions: u64) {
        if is_of_sign_ins(actions) || !expr.asks_for_failures() {
            return;
        }
        let message = "asks how it ended, which only a rule about sign-ins can: of all else only what succeeded is \
                       counted. Add `{ field: action, in: [login, mfa_challenge] }` to `all`, or leave it out";
        self.note("", message.to_owned());
    }
}

/// A text of at most [`VALUE_BYTES_MAX`], with something in it.
fn text(value: &Scalar) -> Result<&str, String> {
    match value {
        Scalar::Text(text) if text.trim().is_empty() => Err("is empty".to_owned()),
        Scalar::Text(text) if text.len() > VALUE_BYTES_MAX => {
            Err(format!("has {} bytes; at most {VALUE_BYTES_MAX} are allowed", text.len()))
        }
        Scalar::Text(text) if text.chars().any(char::is_control) => Err("has a control character".to_owned()),
        Scalar::Text(text) => Ok(text),
        Scalar::Flag(_) | Scalar::Number(_) => Err("is not a text: put it in quotes".to_owned()),
    }
}

fn number(value: &Scalar) -> Result<u64, String> {
    match value {
        Scalar::Number(number) => Ok(*number),
        _ => Err("is not a whole number".to_owned()),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What may be asked of a field.
const fn fitting(field: Field) -> &'static str {
    match field {
        Field::Words(_) | Field::Flag(_) => "it takes in, is_set",
        Field::Text(_) | Field::List(_) => "it takes in, starts_with, ends_with, contains, is_set",
        Field::Number(_) => "it takes in, at_least, at_most, is_set",
        Field::Address => "it takes networks, is_set",
    }
}

impl Condition {
    /// The names of what it asks of its field.
    fn operators(&self) -> impl Iterator<Item = &'static str> {
        [
            ("in", self.is_in.is_some()),
            ("starts_with", self.starts_with.is_some()),
            ("ends_with", self.ends_with.is_some()),
            ("contains", self.contains.is_some()),
            ("networks", self.networks.is_some()),
            ("at_least", self.at_least.is_some()),
            ("at_most", self.at_most.is_some()),
            ("is_set", self.is_set.is_some()),
        ]
        .into_iter()
        .filter(|(_, is)| *is)
        .map(|(name, _)| name)
    }
}

impl Expr {
    /// The actions that may fulfil it: never too few.
    fn actions(&self) -> u64 {
        match self {
            Self::All(parts) => parts.iter().fold(ANY_ACTION, |set, part| set & part.actions()),
            Self::Any(parts) => parts.iter().fold(0, |set, part| set | part.actions()),
            Self::Not(part) => match &**part {
                Self::Test(Test::Words { field: WordField::Action, among }, _) => ANY_ACTION & !among,
                _ => ANY_ACTION,
            },
            Self::Test(Test::Words { field: WordField::Action, among }, _) => *among,
            Self::Test(..) | Self::Fact(_) => ANY_ACTION,
        }
    }

    /// The tags of networks that it names.
    fn tags(&self) -> u64 {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().fold(0, |set, part| set | part.tags()),
            Self::Not(part) => part.tags(),
            Self::Test(Test::Words { field: WordField::Tag, among }, _) => *among,
            Self::Test(..) | Self::Fact(_) => 0,
        }
    }

    /// Does it ask how something ended or why it failed, other than that it succeeded?
    fn asks_for_failures(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::asks_for_failures),
            Self::Not(part) => part.asks_outcome(),
            Self::Test(Test::Words { field: WordField::Outcome, among }, _) => *among != 1 << Outcome::Success as u64,
            _ => self.asks_outcome(),
        }
    }

    fn asks_outcome(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::asks_outcome),
            Self::Not(part) => part.asks_outcome(),
            Self::Test(_, field) => matches!(field, Field::Words(WordField::Outcome | WordField::Reason)),
            Self::Fact(_) => false,
        }
    }

    /// Does it ask of the record alone?
    fn is_of_record(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_of_record),
            Self::Not(part) => part.is_of_record(),
            Self::Test(_, field) => !field.is_of_place(),
            Self::Fact(_) => false,
        }
    }

    /// Puts what came of them in the place of parts that ask of the record alone; neighbours are put together.
    fn with_facts(self, facts: &mut Vec<Self>) -> Self {
        let mut parts = |parts: Vec<Self>, joined: fn(Vec<Self>) -> Self| {
            let (of_record, mut rest): (Vec<Self>, Vec<Self>) = parts.into_iter().partition(Self::is_of_record);
            rest = rest.into_iter().map(|part| part.with_facts(facts)).collect();
            if !of_record.is_empty() {
                facts.push(joined(of_record));
                rest.insert(0, Self::Fact((facts.len() - 1) as u8));
            }
            joined(rest)
        };
        match self {
            Self::All(all) => parts(all, Self::All),
            Self::Any(any) => parts(any, Self::Any),
            Self::Not(part) => Self::Not(Box::new(part.with_facts(facts))),
            Self::Test(..) | Self::Fact(_) => self,
        }
    }
}

/// A condition by where its parts are asked.
struct Parts {
    record: Option<Expr>,
    facts: Vec<Expr>,
    place: Option<Expr>,
}

impl Parts {
    fn of(expr: Expr) -> Self {
        let mut conjuncts = Vec::new();
        flatten(expr, &mut conjuncts);
        let (of_record, rest): (Vec<Expr>, Vec<Expr>) = conjuncts.into_iter().partition(Expr::is_of_record);
        let mut facts = Vec::new();
        let place: Vec<Expr> = rest.into_iter().map(|part| part.with_facts(&mut facts)).collect();
        let all = |parts: Vec<Expr>| (!parts.is_empty()).then_some(Expr::All(parts));
        Self { record: all(of_record), facts, place: all(place) }
    }
}

fn flatten(expr: Expr, into: &mut Vec<Expr>) {
    match expr {
        Expr::All(parts) => parts.into_iter().for_each(|part| flatten(part, into)),
        other => into.push(other),
    }
}

impl Program {
    fn of(expr: &Expr) -> Self {
        let mut nodes = Vec::new();
        lay(expr, &mut nodes);
        Self { nodes: nodes.into() }
    }
}

fn lay(expr: &Expr, nodes: &mut Vec<Node>) {
    let index = nodes.len();
    let what = match expr {
        Expr::All(_) => What::All,
        Expr::Any(_) => What::Any,
        Expr::Not(_) => What::Not,
        Expr::Test(test, _) => What::Test(test.clone()),
        Expr::Fact(number) => What::Fact(*number),
    };
    nodes.push(Node { end: 0, what });
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| lay(part, nodes)),
        Expr::Not(part) => lay(part, nodes),
        Expr::Test(..) | Expr::Fact(_) => {}
    }
    let end = nodes.len() as u16;
    if let Some(node) = nodes.get_mut(index) {
        node.end = end;
    }
}

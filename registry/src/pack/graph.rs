//! The steps of a regulation as a graph: what each waits for, directly and through others.

use std::collections::{BTreeMap, BTreeSet};

use super::regulation::{Action, Regulation};
use crate::code::StepCode;

/// Which steps each step waits for, directly and through others.
#[derive(Debug, Clone, Default)]
pub struct StepGraph {
    before: BTreeMap<StepCode, BTreeSet<StepCode>>,
}

impl StepGraph {
    /// Reads the graph, or a circle in it with its first step again at the end.
    ///
    /// # Errors
    /// A circle.
    pub fn new(regulation: &Regulation) -> Result<Self, Vec<StepCode>> {
        let direct: BTreeMap<&StepCode, BTreeSet<&StepCode>> = regulation
            .steps
            .iter()
            .map(|step| (&step.code.value, step.waits_for().collect()))
            .collect();
        let mut search = Search { direct: &direct, path: Vec::new(), before: BTreeMap::new() };
        for step in direct.keys().copied() {
            search.visit(step)?;
        }
        Ok(Self { before: search.before })
    }

    /// Whether `step` waits for `earlier`, directly or through others.
    #[must_use]
    pub fn comes_after(&self, step: &StepCode, earlier: &StepCode) -> bool {
        self.before.get(step).is_some_and(|before| before.contains(earlier))
    }

    /// The one step of the regulation that registers.
    #[must_use]
    pub fn registration(regulation: &Regulation) -> Option<&StepCode> {
        let registers = |action: &Action| matches!(action, Action::Register);
        regulation.steps.iter().find(|step| registers(&step.action)).map(|step| &step.code.value)
    }
}

struct Search<'a> {
    direct: &'a BTreeMap<&'a StepCode, BTreeSet<&'a StepCode>>,
    path: Vec<StepCode>,
    before: BTreeMap<StepCode, BTreeSet<StepCode>>,
}

impl Search<'_> {
    fn visit(&mut self, step: &StepCode) -> Result<(), Vec<StepCode>> {
        if self.before.contains_key(step) {
            return Ok(());
        }
        if let Some(at) = self.path.iter().position(|earlier| earlier == step) {
            let mut circle = self.path.split_off(at);
            circle.push(step.clone());
            return Err(circle);
        }
        self.path.push(step.clone());
        let mut before = BTreeSet::new();
        for earlier in self.direct.get(step).into_iter().flatten().copied() {
            self.visit(earlier)?;
            before.insert(earlier.clone());
            before.extend(self.before.get(earlier).into_iter().flatten().cloned());
        }
        self.path.pop();
        self.before.insert(step.clone(), before);
        Ok(())
    }
}

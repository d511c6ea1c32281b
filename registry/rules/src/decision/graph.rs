//! The requirements graph of a model: its inputs, decisions and knowledge models by id.
//!
//! Built from the engine's own reading of the document, with every reference resolved, circles
//! refused and each decision's whole need known. Absent: the logic of the nodes.

use std::collections::{BTreeMap, BTreeSet};

use dsntk_feel::values::Value;
use dsntk_model::{
    BusinessKnowledgeModel, Decision, Definitions, DmnElement, DrgElement, NamedElement,
    RequiredVariable,
};

use super::admission::{AdmissionError, ELEMENTS_MAX};
use super::feel;
use super::types::{InputSpec, InputType, TypeTable};

/// Ids of what a node requires directly.
#[derive(Debug, Default)]
struct Requirements {
    inputs: Vec<String>,
    decisions: Vec<String>,
    functions: Vec<String>,
}

/// The admitted graph.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Inputs by id, with their place in the document.
    pub(super) inputs: BTreeMap<String, (usize, InputSpec)>,
    /// Names and declared types of decisions by id.
    pub(super) decisions: BTreeMap<String, (String, Option<InputType>)>,
    /// Names of knowledge models by id.
    pub(super) functions: BTreeMap<String, String>,
    requirements: BTreeMap<String, Requirements>,
}

/// What a decision needs in order to be evaluated, transitively.
#[derive(Debug)]
pub(super) struct Need {
    /// Ids of inputs.
    pub(super) inputs: BTreeSet<String>,
    /// Ids of decisions, each after those it requires, the decision itself last.
    pub(super) decisions: Vec<String>,
}

impl Graph {
    /// Reads the graph; nothing is returned unless every rule about it holds.
    pub(super) fn read(
        definitions: &Definitions,
        types: &TypeTable<'_>,
        errors: &mut Vec<AdmissionError>,
    ) -> Option<Self> {
        let errors_before = errors.len();
        let mut graph = Self::default();
        for import in definitions.imports() {
            errors.push(AdmissionError::Import { name: import.name().to_owned() });
        }
        let found = definitions.drg_elements().count();
        if found > ELEMENTS_MAX {
            errors.push(AdmissionError::TooManyElements { found, limit: ELEMENTS_MAX });
            return None;
        }
        let mut inputs_count = 0;
        for element in definitions.drg_elements() {
            match element {
                DrgElement::InputData(input) => {
                    let (name, variable) = (input.name(), input.variable());
                    let id = graph.register(input.opt_id(), name, variable.name(), errors);
                    match types.resolve(name, variable.type_ref()) {
                        Ok(Some(input_type)) => {
                            let spec = InputSpec { name: name.to_owned(), input_type };
                            graph.inputs.insert(id, (inputs_count, spec));
                        }
                        Ok(None) => {
                            let element = name.to_owned();
                            errors.push(AdmissionError::UntypedInput { element });
                        }
                        Err(error) => errors.push(error),
                    }
                    inputs_count += 1;
                }
                DrgElement::Decision(decision) => graph.add_decision(decision, types, errors),
                DrgElement::BusinessKnowledgeModel(model) => graph.add_function(model, errors),
                DrgElement::DecisionService(service) => {
                    let element = service.name().to_owned();
                    errors.push(AdmissionError::DecisionService { element });
                }
                DrgElement::KnowledgeSource(_) => {}
            }
        }
        graph.check_names(errors);
        graph.check_references(errors);
        if errors.len() == errors_before {
            graph.check_circles(errors);
        }
        (errors.len() == errors_before).then_some(graph)
    }

    /// The id of a decision given by its id or by its name.
    pub(super) fn decision_id(&self, id_or_name: &str) -> Option<&str> {
        let by_id = self.decisions.get_key_value(id_or_name);
        by_id.map(|(id, _)| id.as_str()).or_else(|| {
            let mut named = self.decisions.iter().filter(|(_, (name, _))| name == id_or_name);
            named.next().map(|(id, _)| id.as_str())
        })
    }

    /// Everything that a decision requires, directly or through others.
    pub(super) fn need(&self, decision_id: &str) -> Need {
        let mut need = Need { inputs: BTreeSet::new(), decisions: Vec::new() };
        self.collect(decision_id, &mut need);
        need
    }

    /// Ids of the decisions that this decision requires directly.
    pub(super) fn required_decisions(&self, id: &str) -> &[String] {
        self.requirements.get(id).map_or(&[], |required| &required.decisions)
    }

    /// Ids of the knowledge models that this node requires directly.
    pub(super) fn required_functions(&self, id: &str) -> &[String] {
        self.requirements.get(id).map_or(&[], |required| &required.functions)
    }

    /// The names that the engine puts in scope for a node, with values that show their members.
    pub(super) fn names_in_scope(&self, id: &str) -> Vec<(String, Option<Value>)> {
        let mut names = Vec::new();
        let Some(required) = self.requirements.get(id) else { return names };
        let typed = |of: Option<&InputType>| of.map(|of| Value::FeelType(of.feel_type()));
        for (_, spec) in required.inputs.iter().filter_map(|id| self.inputs.get(id)) {
            names.push((spec.name.clone(), typed(Some(&spec.input_type))));
        }
        for (name, of) in required.decisions.iter().filter_map(|id| self.decisions.get(id)) {
            names.push((name.clone(), typed(of.as_ref())));
        }
        self.function_names(id, &mut names);
        names
    }

    /// Knowledge models are in scope together with those that they require in turn.
    fn function_names(&self, id: &str, names: &mut Vec<(String, Option<Value>)>) {
        for required in self.required_functions(id) {
            if let Some(name) = self.functions.get(required)
                && !names.iter().any(|(known, _)| known == name)
            {
                names.push((name.clone(), None));
                self.function_names(required, names);
            }
        }
    }

    fn collect(&self, id: &str, need: &mut Need) {
        if need.decisions.iter().any(|known| known == id) {
            return;
        }
        if let Some(required) = self.requirements.get(id) {
            need.inputs.extend(required.inputs.iter().cloned());
            required.decisions.iter().for_each(|required| self.collect(required, need));
        }
        need.decisions.push(id.to_owned());
    }

    fn add_decision(
        &mut self,
        decision: &Decision,
        types: &TypeTable<'_>,
        errors: &mut Vec<AdmissionError>,
    ) {
        let (name, variable) = (decision.name(), decision.variable());
        let id = self.register(decision.opt_id(), name, variable.name(), errors);
        let mut required = Requirements::default();
        for requirement in decision.information_requirements() {
            let input = requirement.required_input().as_ref();
            required.inputs.extend(input.map(|href| href.id().to_owned()));
            let decision = requirement.required_decision().as_ref();
            required.decisions.extend(decision.map(|href| href.id().to_owned()));
        }
        for requirement in decision.knowledge_requirements() {
            required.functions.push(requirement.required_knowledge().id().to_owned());
        }
        self.requirements.insert(id.clone(), required);
        match types.resolve(name, variable.type_ref()) {
            Ok(of) => drop(self.decisions.insert(id, (name.to_owned(), of))),
            Err(error) => errors.push(error),
        }
    }

    fn add_function(&mut self, model: &BusinessKnowledgeModel, errors: &mut Vec<AdmissionError>) {
        let (name, variable) = (model.name(), model.variable().name());
        let id = self.register(model.opt_id(), name, variable, errors);
        let requirements = model.knowledge_requirements().iter();
        let functions =
            requirements.map(|required| required.required_knowledge().id().to_owned()).collect();
        self.requirements.insert(id.clone(), Requirements { functions, ..Default::default() });
        self.functions.insert(id, name.to_owned());
    }

    /// Checks id and name of one node and returns the id.
    fn register(
        &self,
        id: Option<&String>,
        name: &str,
        variable: &str,
        errors: &mut Vec<AdmissionError>,
    ) -> String {
        let id = id.cloned().unwrap_or_default();
        if id.is_empty() {
            errors.push(AdmissionError::MissingId { name: name.to_owned() });
        }
        let taken = self.inputs.contains_key(&id)
            || self.decisions.contains_key(&id)
            || self.functions.contains_key(&id);
        if taken {
            errors.push(AdmissionError::DuplicateId { id: id.clone() });
        }
        if name != variable {
            let (element, name) = (id.clone(), name.to_owned());
            let variable = variable.to_owned();
            errors.push(AdmissionError::VariableName { element, name, variable });
        }
        if !feel::is_well_formed_name(name) {
            let (element, name) = (id.clone(), name.to_owned());
            errors.push(AdmissionError::IllFormedName { element, name });
        }
        id
    }

    fn check_names(&self, errors: &mut Vec<AdmissionError>) {
        let inputs = self.inputs.values().map(|(_, spec)| &spec.name);
        let decisions = self.decisions.values().map(|(name, _)| name);
        let mut seen = BTreeSet::new();
        for name in inputs.chain(decisions).chain(self.functions.values()) {
            if !seen.insert(name) {
                errors.push(AdmissionError::DuplicateName { name: name.clone() });
            }
        }
    }

    fn check_references(&self, errors: &mut Vec<AdmissionError>) {
        for (element, required) in &self.requirements {
            let inputs = required.inputs.iter().filter(|id| !self.inputs.contains_key(*id));
            let decisions =
                required.decisions.iter().filter(|id| !self.decisions.contains_key(*id));
            let functions =
                required.functions.iter().filter(|id| !self.functions.contains_key(*id));
            for id in inputs.chain(decisions).chain(functions) {
                let (element, href) = (element.clone(), format!("#{id}"));
                errors.push(AdmissionError::BrokenRequirement { element, href });
            }
        }
    }

    fn check_circles(&self, errors: &mut Vec<AdmissionError>) {
        let mut done = BTreeSet::new();
        for id in self.requirements.keys() {
            let mut path = Vec::new();
            if let Some(path) = self.circle(id, &mut path, &mut done) {
                errors.push(AdmissionError::Cycle { path });
                return;
            }
        }
    }

    fn circle<'a>(
        &'a self,
        id: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|known| *known == id) {
            let circle = path[start..].iter().chain([&id]);
            return Some(circle.map(|id| (*id).to_owned()).collect());
        }
        if done.contains(id) {
            return None;
        }
        path.push(id);
        let required = self.requirements.get(id)?;
        let found = required
            .decisions
            .iter()
            .chain(&required.functions)
            .find_map(|next| self.circle(next, path, done));
        path.pop();
        done.insert(id);
        found
    }
}

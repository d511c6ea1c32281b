//! Admission and evaluation of one decision model.
//!
//! The model is immutable and holds no caches: one value can be shared by any number of threads,
//! and evaluating it any number of times in any order gives the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value;
use dsntk_model::{Definitions, DmnElement, DrgElement, NamedElement};
use dsntk_model_evaluator::ModelEvaluator;
use sha2::{Digest, Sha256};

use super::admission::{AdmissionError, EVALUATION_DEPTH_MAX, WORK_MAX};
use super::document::{self, Element};
use super::evaluation::{self, Asked, Evaluation, EvaluationError, TableTrace};
use super::feel::{self, Role, Vocabulary};
use super::graph::{Graph, Need};
use super::logic::{LogicReader, scope_of};
use super::markdown;
use super::sample::{self, Literals};
use super::shadow::{self, Table};
use super::types::{self, InputSpec, TypeTable};
use super::work::{self, Function, Size};

/// The SHA-256 of the exact bytes of a DMN or Markdown document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelDigest([u8; 32]);

/// A decision model that passed every rule of [`AdmissionError`].
pub struct AdmittedModel {
    digest: ModelDigest,
    namespace: String,
    name: String,
    graph: Graph,
    tables: Vec<Table>,
    work: BTreeMap<String, u64>,
    literals: Literals,
    evaluator: Arc<ModelEvaluator>,
}

impl ModelDigest {
    /// The digest of a document, admitted or not.
    pub fn of(document: &str) -> Self {
        Self(Sha256::digest(document.as_bytes()).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelDigest({self})")
    }
}

impl fmt::Debug for AdmittedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmittedModel").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl AdmittedModel {
    /// Reads a DMN 1.3–1.5 document, or tables in Markdown, and checks that its decisions are
    /// reproducible, bounded and explainable. All errors of one kind of reading are returned
    /// together. Which of the two a document is, its first character says: DMN begins with `<`.
    pub fn admit(document: &str) -> Result<Self, Vec<AdmissionError>> {
        // The engine's parsers unwrap; what they cannot read is a refusal, not a crash.
        guarded(|| match markdown::is_markdown(document) {
            true => Ok(Self {
                digest: ModelDigest::of(document),
                ..admit(&markdown::to_dmn(document)?)?
            }),
            false => admit(document),
        })
        .unwrap_or_else(|| {
            let reason = "its parser stopped".to_owned();
            Err(vec![AdmissionError::NotDmn { reason }])
        })
    }

    /// Identifies the rule: the hash of the document as it was given.
    pub fn digest(&self) -> ModelDigest {
        self.digest
    }

    /// The decisions of the model as (id, name), ordered by id.
    pub fn decisions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.graph.decisions.iter().map(|(id, (name, _))| (id.as_str(), name.as_str()))
    }

    /// The inputs that a decision needs, directly or through others, in document order.
    pub fn inputs(&self, decision: &str) -> Option<Vec<&InputSpec>> {
        let need = self.graph.need(self.graph.decision_id(decision)?);
        let mut inputs: Vec<_> = need.inputs.iter().map(|id| &self.graph.inputs[id]).collect();
        inputs.sort_by_key(|(place, _)| *place);
        Some(inputs.into_iter().map(|(_, spec)| spec).collect())
    }

    /// A proven upper bound on the elementary steps of [`Self::evaluate`] for a decision.
    pub fn work_bound(&self, decision: &str) -> Option<u64> {
        self.work.get(self.graph.decision_id(decision)?).copied()
    }

    /// At most `most` combinations of inputs to try a decision on: values that their types allow,
    /// at and around every limit that the model names. None for a decision that does not exist or
    /// takes lists or objects.
    pub fn samples(
        &self,
        decision: &str,
        most: u32,
    ) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let Some(id) = self.graph.decision_id(decision) else { return vec![] };
        let need = self.graph.need(id);
        let choices = need.inputs.iter().map(|id| {
            let (place, spec) = &self.graph.inputs[id];
            let mut values = self.literals.candidates(&spec.input_type);
            values.retain(|value| self.is_allowed(*place, spec, value));
            (spec.name.clone(), values)
        });
        sample::combine(&choices.collect::<Vec<_>>(), most)
    }

    fn is_allowed(&self, place: usize, spec: &InputSpec, value: &serde_json::Value) -> bool {
        let inputs = serde_json::Map::from_iter([(spec.name.clone(), value.clone())]);
        let members = std::iter::once((&spec.name, &spec.input_type));
        let Ok(context) = types::read_members(members, None, &inputs) else { return false };
        let repeated = guarded(|| self.value(&shadow::input_name(place), &context));
        repeated.is_some_and(|value| evaluation::to_json(&spec.name, "", &value).is_ok())
    }

    /// Evaluates a decision, named by its id or its name, and everything it requires.
    ///
    /// `inputs` has exactly the members that [`Self::inputs`] lists, in the JSON forms of
    /// [`super::InputType`]. There is a result only if every decision and every question of a
    /// table on the way has a value: a null anywhere means that an official decides.
    pub fn evaluate(
        &self,
        decision: &str,
        inputs: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Evaluation, EvaluationError> {
        let unknown = || EvaluationError::UnknownDecision { decision: decision.to_owned() };
        let decision_id = self.graph.decision_id(decision).ok_or_else(unknown)?;
        let specs = self.inputs(decision_id).ok_or_else(unknown)?;
        let members = specs.iter().map(|spec| (&spec.name, &spec.input_type));
        let context = types::read_members(members, None, inputs)?;
        guarded(|| self.evaluate_read(decision_id, &context)).unwrap_or_else(|| {
            Err(EvaluationError::EngineStopped { decision: decision_id.to_owned() })
        })
    }

    fn evaluate_read(
        &self,
        decision_id: &str,
        context: &FeelContext,
    ) -> Result<Evaluation, EvaluationError> {
        let need = self.graph.need(decision_id);
        self.check_allowed(&need, context)?;
        let mut trace = Vec::new();
        let mut outputs = serde_json::Value::Null;
        for id in &need.decisions {
            let (name, _) = &self.graph.decisions[id];
            let table = self.tables.iter().position(|table| table.decision_id == *id);
            let asked = table.map(|index| self.asked(index, context)).transpose()?;
            outputs = evaluation::to_json(id, "", &self.value(name, context))?;
            if let Some((index, asked)) = table.zip(asked) {
                trace.push(self.table_trace(index, asked, context)?);
            }
        }
        Ok(Evaluation { outputs, trace })
    }

    /// The engine turns a value outside its allowed values into null, which a rule would miss.
    fn check_allowed(&self, need: &Need, context: &FeelContext) -> Result<(), EvaluationError> {
        for id in &need.inputs {
            let (place, spec) = &self.graph.inputs[id];
            let value = self.value(&shadow::input_name(*place), context);
            evaluation::to_json(id, "", &value).map_err(|error| {
                let reason = match error {
                    EvaluationError::NoAutomaticDecision { reason, .. } => reason,
                    other => other.to_string(),
                };
                EvaluationError::InputNotAllowed { path: spec.name.clone(), reason }
            })?;
        }
        Ok(())
    }

    fn asked(&self, index: usize, context: &FeelContext) -> Result<Vec<Asked>, EvaluationError> {
        let table = &self.tables[index];
        let answers = match self.value(&shadow::asked_name(index), context) {
            Value::List(answers) => answers,
            other => vec![other],
        };
        let questions = table.questions.iter().zip(&answers);
        questions
            .map(|(question, answer)| {
                let answer = evaluation::to_json(&table.decision_id, question, answer)?;
                Ok(Asked { question: question.clone(), answer })
            })
            .collect()
    }

    fn table_trace(
        &self,
        index: usize,
        asked: Vec<Asked>,
        context: &FeelContext,
    ) -> Result<TableTrace, EvaluationError> {
        let table = &self.tables[index];
        let matched = match self.value(&shadow::trace_name(index), context) {
            // The engine's answer when no rule of a table without default matches.
            Value::Null(_) => Vec::new(),
            value => match evaluation::to_json(&table.decision_id, "", &value)? {
                serde_json::Value::Array(rules) => rules,
                rule => vec![rule],
            },
        };
        let mut trace = TableTrace {
            decision: table.decision_id.clone(),
            asked,
            rules: Vec::new(),
            annotations: Vec::new(),
        };
        for rule in matched {
            let rule = rule.as_u64().and_then(|index| usize::try_from(index).ok());
            let rule = &table.rules[rule.expect("invariant: the shadow's outputs are indexes")];
            trace.rules.push(rule.id.clone());
            trace.annotations.extend(rule.annotations.iter().cloned());
        }
        Ok(trace)
    }

    fn value(&self, name: &str, context: &FeelContext) -> Value {
        self.evaluator.evaluate_invocable(&self.namespace, &self.name, name, context)
    }
}

/// Runs foreign code; none if it panicked.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

fn admit(dmn_xml: &str) -> Result<AdmittedModel, Vec<AdmissionError>> {
    let document = document::read(dmn_xml).map_err(|error| vec![error])?;
    let tables = shadow::tables(&document);
    let not_dmn =
        |error: &dyn fmt::Display| vec![AdmissionError::NotDmn { reason: error.to_string() }];
    let definitions = dsntk_model::parse(dmn_xml).map_err(|error| not_dmn(&error))?;
    let mut errors = Vec::new();
    check_rules(&document, &tables, &mut errors);
    let types = TypeTable::new(&definitions);
    check_types(&definitions, &types, &mut errors);
    let Some(graph) = Graph::read(&definitions, &types, &mut errors) else {
        return Err(errors);
    };
    let logic = read_logic(&definitions, &graph, &types, &mut errors);
    let work = bound_work(&graph, &logic, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let shadowed = shadow::add(dmn_xml, &document);
    let shadowed = dsntk_model::parse(&shadowed).map_err(|error| not_dmn(&error))?;
    let evaluator = ModelEvaluator::new(&[shadowed])
        .map_err(|error| vec![AdmissionError::NotEvaluable { reason: error.to_string() }])?;
    Ok(AdmittedModel {
        digest: ModelDigest::of(dmn_xml),
        namespace: definitions.namespace().to_owned(),
        name: definitions.name().to_owned(),
        graph,
        tables,
        work,
        literals: Literals::read(&document),
        evaluator,
    })
}

/// The engine indexes cells without checking, and a trace names rules by their ids.
fn check_rules(document: &Element, tables: &[Table], errors: &mut Vec<AdmissionError>) {
    let elements = document.children_named("decision").filter_map(|it| it.child("decisionTable"));
    for (table, element) in tables.iter().zip(elements) {
        let table_inputs = element.children_named("input").count();
        let table_outputs = element.children_named("output").count();
        let mut seen = BTreeSet::new();
        for rule in &table.rules {
            let (inputs, outputs) = (rule.inputs_count, rule.outputs_count);
            let shaped = inputs == table_inputs && outputs == table_outputs && outputs > 0;
            let element = table.decision_id.clone();
            if !shaped {
                let rule = rule.id.clone();
                errors.push(AdmissionError::RuleShape {
                    element,
                    rule,
                    inputs,
                    outputs,
                    table_inputs,
                    table_outputs,
                });
            } else if !seen.insert(&rule.id) {
                let rule = rule.id.clone();
                errors.push(AdmissionError::DuplicateRule { element, rule });
            }
        }
    }
}

/// Every item definition is checked, used or not: the engine prepares all of them.
fn check_types(definitions: &Definitions, types: &TypeTable<'_>, errors: &mut Vec<AdmissionError>) {
    let vocabulary = Vocabulary::default();
    let scope = scope_of([]);
    let mut open: Vec<_> = definitions.item_definitions().iter().collect();
    for definition in &open {
        errors.extend(types.definition(definition, 0).err());
    }
    while let Some(definition) = open.pop() {
        let element = definition.name();
        if let Some(text) = definition.allowed_values().as_ref().and_then(|it| it.text().as_ref()) {
            feel::admit(element, text, Role::AllowedValues, &scope, &vocabulary, errors);
        }
        for component in definition.item_components() {
            if !feel::is_well_formed_name(component.name()) {
                let (element, name) = (element.to_owned(), component.name().to_owned());
                errors.push(AdmissionError::IllFormedName { element, name });
            }
            open.push(component);
        }
    }
}

/// Admitted logic by name of the knowledge model and by id of the decision.
#[derive(Default)]
struct Logic {
    functions: BTreeMap<String, Function>,
    decisions: BTreeMap<String, dsntk_feel_parser::AstNode>,
}

fn read_logic(
    definitions: &Definitions,
    graph: &Graph,
    types: &TypeTable<'_>,
    errors: &mut Vec<AdmissionError>,
) -> Logic {
    let vocabulary = Vocabulary {
        functions: graph.functions.values().cloned().collect(),
        fields: field_names(definitions),
    };
    let mut logic = Logic::default();
    for element in definitions.drg_elements() {
        let (id, name) = match element {
            DrgElement::Decision(decision) => (decision.id(), decision.name()),
            DrgElement::BusinessKnowledgeModel(model) => (model.id(), model.name()),
            _ => continue,
        };
        let mut names = graph.names_in_scope(id);
        let mut reader = LogicReader { element: id, vocabulary: &vocabulary, types, errors };
        let no_logic = || AdmissionError::NoLogic { element: id.clone() };
        if let DrgElement::BusinessKnowledgeModel(model) = element {
            let Some(function) = model.encapsulated_logic() else {
                errors.push(no_logic());
                continue;
            };
            let parameters: Vec<String> =
                function.formal_parameters().iter().map(|it| it.name().to_owned()).collect();
            names.extend(parameters.iter().map(|name| (name.clone(), None)));
            if let Some(body) = reader.function(function, &scope_of(names)) {
                logic.functions.insert(name.to_owned(), Function { parameters, body });
            }
        } else if let DrgElement::Decision(decision) = element {
            let Some(expression) = decision.decision_logic() else {
                errors.push(no_logic());
                continue;
            };
            let node = reader.decision(expression, &scope_of(names));
            logic.decisions.extend(node.map(|node| (id.clone(), node)));
        }
    }
    logic
}

fn field_names(definitions: &Definitions) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open: Vec<_> = definitions.item_definitions().iter().collect();
    while let Some(definition) = open.pop() {
        for component in definition.item_components() {
            names.insert(component.name().to_owned());
            open.push(component);
        }
    }
    names
}

/// Bounds every decision: the engine evaluates a required decision anew for each that requires it,
/// and a traced evaluation asks each decision for its value, its questions and its rules.
fn bound_work(
    graph: &Graph,
    logic: &Logic,
    errors: &mut Vec<AdmissionError>,
) -> BTreeMap<String, u64> {
    const EVALUATIONS_PER_DECISION: u64 = 3;
    let mut single: BTreeMap<String, (u64, Size)> = BTreeMap::new();
    let mut total = BTreeMap::new();
    for decision_id in graph.decisions.keys() {
        let need = graph.need(decision_id);
        for id in &need.decisions {
            if !single.contains_key(id)
                && let Some(bound) = bound_decision(id, graph, logic, &single, errors)
            {
                single.insert(id.clone(), bound);
            }
        }
        let work = need.decisions.iter().filter_map(|id| single.get(id)).map(|(work, _)| *work);
        let found = work.fold(0, u64::saturating_add).saturating_mul(EVALUATIONS_PER_DECISION);
        if found > WORK_MAX {
            let (element, limit) = (decision_id.clone(), WORK_MAX);
            errors.push(AdmissionError::TooMuchWork { element, found, limit });
        }
        total.insert(decision_id.clone(), found);
    }
    total
}

fn bound_decision(
    id: &str,
    graph: &Graph,
    logic: &Logic,
    single: &BTreeMap<String, (u64, Size)>,
    errors: &mut Vec<AdmissionError>,
) -> Option<(u64, Size)> {
    let mut variables: BTreeMap<String, Size> = graph
        .inputs
        .values()
        .map(|(_, spec)| (spec.name.clone(), Size::of_type(&spec.input_type)))
        .collect();
    let mut work = variables.values().map(|size| size.total).fold(0, u64::saturating_add);
    for required in graph.required_decisions(id) {
        let (required_work, size) = single.get(required)?;
        work = work.saturating_add(*required_work);
        variables.insert(graph.decisions[required].0.clone(), *size);
    }
    let bounded = work::bound(logic.decisions.get(id)?, &variables, &logic.functions);
    if bounded.is_too_deep {
        let (element, limit) = (id.to_owned(), EVALUATION_DEPTH_MAX);
        errors.push(AdmissionError::EvaluationTooDeep { element, limit });
        return None;
    }
    let bound = bounded.bound;
    Some((work.saturating_add(bound.work), bound.size))
}

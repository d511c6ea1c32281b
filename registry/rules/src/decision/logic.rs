//! The logic of a decision as one expression tree, whatever boxes it was drawn in.
//!
//! Boxed contexts, lists, relations, conditions, loops and decision tables all have a meaning in
//! FEEL. Writing each as the FEEL tree that means the same lets one walk admit it and one bound
//! its work. Scopes are built exactly as the engine builds them, because parsing depends on them.
//! The tree is never evaluated: the engine evaluates the document itself.

use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value;
use dsntk_feel::{FeelScope, Name};
use dsntk_feel_parser::AstNode;
use dsntk_model::{
    ChildExpression, Context, DecisionTable, Expression, ExpressionInstance, FunctionDefinition,
    FunctionKind, InformationItem, Invocation, LiteralExpression, NamedElement, OutputClause,
    Relation,
};

use super::admission::AdmissionError;
use super::feel::{self, Role, Vocabulary};
use super::types::TypeTable;

/// Reads the logic of one decision or knowledge model and collects what it breaks.
pub(super) struct LogicReader<'a> {
    pub(super) element: &'a str,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) types: &'a TypeTable<'a>,
    pub(super) errors: &'a mut Vec<AdmissionError>,
}

impl LogicReader<'_> {
    /// The whole logic of a decision, where a decision table may stand.
    pub(super) fn decision(
        &mut self,
        logic: &ExpressionInstance,
        scope: &FeelScope,
    ) -> Option<AstNode> {
        match logic {
            ExpressionInstance::DecisionTable(table) => self.table(table, scope),
            logic => self.expression(logic, Role::Value, scope),
        }
    }

    /// The body of a knowledge model, in a scope of its parameters and what it requires.
    pub(super) fn function(
        &mut self,
        function: &FunctionDefinition,
        scope: &FeelScope,
    ) -> Option<AstNode> {
        let element = self.element.to_owned();
        if *function.kind() != FunctionKind::Feel {
            self.errors.push(AdmissionError::ExternalFunction { element });
            return None;
        }
        for parameter in function.formal_parameters() {
            self.declare(parameter);
        }
        match function.body() {
            Some(body) => self.expression(body, Role::Value, scope),
            None => {
                self.errors.push(AdmissionError::NoLogic { element });
                None
            }
        }
    }

    fn expression(
        &mut self,
        logic: &ExpressionInstance,
        role: Role,
        scope: &FeelScope,
    ) -> Option<AstNode> {
        use ExpressionInstance as E;
        self.check_type(logic);
        match logic {
            E::LiteralExpression(literal) => self.literal(literal, role, scope),
            E::Context(context) => self.context(context, scope),
            E::List(list) => self.all(list.elements(), scope).map(AstNode::List),
            E::Relation(relation) => self.relation(relation, scope),
            E::Invocation(invocation) => self.invocation(invocation, scope),
            E::Conditional(conditional) => {
                let condition = self.child(conditional.if_expression(), Role::Value, scope);
                let yes = self.child(conditional.then_expression(), Role::Value, scope);
                let no = self.child(conditional.else_expression(), Role::Value, scope);
                Some(AstNode::If(condition?, yes?, no?))
            }
            E::Filter(filter) => {
                let list = self.child(filter.in_expression(), Role::Value, scope);
                let matches = self.child(filter.match_expression(), Role::Match, scope);
                Some(AstNode::Filter(list?, matches?))
            }
            E::For(each) => {
                let list = self.expression(each.in_expression().value(), Role::Iterated, scope);
                let variable = each.iterator_variable();
                let body = self.body(variable, each.return_expression(), scope)?;
                let context = AstNode::IterationContextSingle(name(variable), boxed(list?));
                Some(AstNode::For(boxed(AstNode::IterationContexts(vec![context])), body))
            }
            E::Every(every) => {
                let list = self.expression(every.in_expression().value(), Role::Value, scope);
                let variable = every.iterator_variable();
                let body = self.body(variable, every.satisfies_expression(), scope)?;
                Some(AstNode::Every(quantified(variable, list?), body))
            }
            E::Some(some) => {
                let list = self.expression(some.in_expression().value(), Role::Value, scope);
                let variable = some.iterator_variable();
                let body = self.body(variable, some.satisfies_expression(), scope)?;
                Some(AstNode::Some(quantified(variable, list?), body))
            }
            E::DecisionTable(_) => {
                self.errors.push(AdmissionError::NestedTable { element: self.element.to_owned() });
                None
            }
            E::FunctionDefinition(function) => {
                let element = self.element.to_owned();
                self.errors.push(match function.kind() {
                    FunctionKind::Feel => {
                        let text = "a boxed function".to_owned();
                        AdmissionError::FunctionDefinition { element, text }
                    }
                    _ => AdmissionError::ExternalFunction { element },
                });
                None
            }
        }
    }

    fn child(
        &mut self,
        child: &ChildExpression,
        role: Role,
        scope: &FeelScope,
    ) -> Option<Box<AstNode>> {
        self.expression(child.value(), role, scope).map(Box::new)
    }

    /// The body of a boxed loop, in which the variable stands for one item.
    fn body(
        &mut self,
        variable: &str,
        body: &ChildExpression,
        scope: &FeelScope,
    ) -> Option<Box<AstNode>> {
        self.check_name(variable);
        let mut context = FeelContext::default();
        context.set_null(Name::from(variable));
        scope.push(context);
        let body = self.child(body, Role::Value, scope);
        scope.pop();
        body
    }

    fn all(&mut self, logic: &[ExpressionInstance], scope: &FeelScope) -> Option<Vec<AstNode>> {
        let nodes: Vec<Option<AstNode>> =
            logic.iter().map(|item| self.expression(item, Role::Value, scope)).collect();
        nodes.into_iter().collect()
    }

    fn literal(
        &mut self,
        literal: &LiteralExpression,
        role: Role,
        scope: &FeelScope,
    ) -> Option<AstNode> {
        let text = literal.text().as_deref().unwrap_or_default();
        self.text(text, role, scope)
    }

    fn text(&mut self, text: &str, role: Role, scope: &FeelScope) -> Option<AstNode> {
        feel::admit(self.element, text, role, scope, self.vocabulary, self.errors)
    }

    /// Entries in order, each seen by the next; the result entry, if any, is one more of them.
    fn context(&mut self, context: &Context, scope: &FeelScope) -> Option<AstNode> {
        scope.push(FeelContext::default());
        let mut entries = Some(Vec::new());
        for entry in context.context_entries() {
            let value = self.expression(&entry.value, Role::Value, scope);
            let key = entry.variable.as_ref().map_or_else(Name::default, |variable| {
                self.declare(variable);
                scope.set_name(variable.feel_name().clone());
                variable.feel_name().clone()
            });
            entries = entries.zip(value).map(|(mut entries, value)| {
                entries.push(context_entry(key, value));
                entries
            });
        }
        scope.pop();
        entries.map(AstNode::Context)
    }

    fn relation(&mut self, relation: &Relation, scope: &FeelScope) -> Option<AstNode> {
        relation.columns().iter().for_each(|column| self.declare(column));
        let mut rows = Some(Vec::new());
        for row in relation.rows() {
            let cells = self.all(row.elements(), scope);
            rows = rows.zip(cells).map(|(mut rows, cells)| {
                let columns = relation.columns().iter().map(|column| column.feel_name().clone());
                let entries = columns.zip(cells).map(|(key, value)| context_entry(key, value));
                rows.push(AstNode::Context(entries.collect()));
                rows
            });
        }
        rows.map(AstNode::List)
    }

    fn invocation(&mut self, invocation: &Invocation, scope: &FeelScope) -> Option<AstNode> {
        let element = self.element.to_owned();
        let text = match invocation.called_function() {
            ExpressionInstance::LiteralExpression(literal) => {
                literal.text().as_deref().unwrap_or_default().trim().to_owned()
            }
            _ => String::new(),
        };
        let required = scope.contexts().iter().any(|known| known.contains_key(&Name::from(&text)));
        if !required || !self.vocabulary.functions.contains(&text) {
            self.errors.push(AdmissionError::IndirectCall { element, text });
            return None;
        }
        let mut arguments = Some(Vec::new());
        for binding in invocation.bindings() {
            let formula = binding.binding_formula().as_ref();
            let value = formula.and_then(|logic| self.expression(logic, Role::Value, scope));
            let parameter = AstNode::ParameterName(binding.parameter().feel_name().clone());
            arguments = arguments.zip(value).map(|(mut arguments, value)| {
                arguments.push(AstNode::NamedParameter(boxed(parameter), boxed(value)));
                arguments
            });
        }
        Some(AstNode::FunctionInvocation(name(&text), boxed(AstNode::NamedParameters(arguments?))))
    }

    /// Every cell of the table, each compared with its column's question as the engine does.
    fn table(&mut self, table: &DecisionTable, scope: &FeelScope) -> Option<AstNode> {
        let errors_before = self.errors.len();
        let mut nodes = Vec::new();
        let mut questions = Vec::new();
        for input in table.input_clauses() {
            let question = self.text(&input.input_expression, Role::Value, scope);
            let allowed = input.allowed_input_values.as_ref();
            nodes.extend(allowed.and_then(|text| self.text(text, Role::Cell, scope)));
            questions.push(question);
        }
        for output in table.output_clauses() {
            self.output(output, table.output_clauses().count(), scope, &mut nodes);
        }
        for rule in table.rules() {
            for (cell, question) in rule.input_entries.iter().zip(&questions) {
                let tests = self.text(&cell.text, Role::Cell, scope);
                let compared = question.clone().zip(tests);
                nodes.extend(compared.map(|(a, b)| AstNode::In(boxed(a), boxed(b))));
            }
            for cell in &rule.output_entries {
                nodes.extend(self.text(&cell.text, Role::Value, scope));
            }
        }
        nodes.extend(questions.into_iter().flatten());
        (self.errors.len() == errors_before).then_some(AstNode::List(nodes))
    }

    fn output(
        &mut self,
        output: &OutputClause,
        outputs_count: usize,
        scope: &FeelScope,
        nodes: &mut Vec<AstNode>,
    ) {
        match &output.name {
            Some(name) if outputs_count > 1 => self.check_name(name),
            None if outputs_count > 1 => {
                let element = self.element.to_owned();
                self.errors.push(AdmissionError::UnnamedOutput { element });
            }
            _ => {}
        }
        let allowed = output.allowed_output_values.as_ref();
        nodes.extend(allowed.and_then(|text| self.text(text, Role::Cell, scope)));
        // The engine reads a default output as unary tests, but its value is used.
        let default = output.default_output_entry.as_ref();
        nodes.extend(default.and_then(|text| self.text(text, Role::Value, scope)));
    }

    /// Checks the name and the type of a variable, parameter, entry or column.
    fn declare(&mut self, item: &InformationItem) {
        self.check_name(item.name());
        if let Err(error) = self.types.resolve(self.element, item.type_ref()) {
            self.errors.push(error);
        }
    }

    fn check_name(&mut self, name: &str) {
        if !feel::is_well_formed_name(name) || self.vocabulary.functions.contains(name) {
            let element = self.element.to_owned();
            self.errors.push(AdmissionError::IllFormedName { element, name: name.to_owned() });
        }
    }

    fn check_type(&mut self, logic: &ExpressionInstance) {
        use ExpressionInstance as E;
        let type_ref = match logic {
            E::LiteralExpression(literal) => literal.type_ref(),
            E::Context(context) => context.type_ref(),
            E::List(list) => list.type_ref(),
            E::Relation(relation) => relation.type_ref(),
            E::Invocation(invocation) => invocation.type_ref(),
            _ => &None,
        };
        if let Some(error) =
            type_ref.as_ref().and_then(|of| self.types.resolve(self.element, of).err())
        {
            self.errors.push(error);
        }
    }
}

/// A scope whose names are those given, with values that tell the parser their members.
pub(super) fn scope_of(names: impl IntoIterator<Item = (String, Option<Value>)>) -> FeelScope {
    let mut context = FeelContext::default();
    for (name, value) in names {
        context.set_entry(&Name::from(&name), value.unwrap_or(Value::Null(None)));
    }
    context.into()
}

fn boxed(node: AstNode) -> Box<AstNode> {
    Box::new(node)
}

fn name(text: &str) -> Box<AstNode> {
    Box::new(AstNode::Name(Name::from(text)))
}

fn context_entry(key: Name, value: AstNode) -> AstNode {
    AstNode::ContextEntry(boxed(AstNode::ContextEntryKey(key)), boxed(value))
}

fn quantified(variable: &str, list: AstNode) -> Box<AstNode> {
    let context = AstNode::QuantifiedContext(name(variable), boxed(list));
    boxed(AstNode::QuantifiedContexts(vec![context]))
}

//! Walking FEEL trees of the engine's parser: children, literals, lengths of literal ranges.

use dsntk_feel_parser::AstNode;

/// The number that a literal, possibly negated, stands for.
pub(super) fn literal_integer(node: &AstNode) -> Option<i64> {
    match node {
        AstNode::Neg(inner) => literal_integer(inner)?.checked_neg(),
        AstNode::Numeric(whole, fraction, _, exponent)
            if fraction.is_empty() && exponent.is_empty() =>
        {
            whole.parse().ok()
        }
        AstNode::IntervalStart(inner, _) | AstNode::IntervalEnd(inner, _) => literal_integer(inner),
        _ => None,
    }
}

/// How many integers a literal range has, when both ends are literals.
pub(super) fn range_length(start: &AstNode, end: &AstNode) -> Option<u64> {
    let (start, end) = (literal_integer(start)?, literal_integer(end)?);
    Some(start.abs_diff(end).saturating_add(1))
}

/// The nodes directly below a node. No variant is left to a wildcard, so a new one of the parser
/// stops the build here instead of passing unseen.
#[rustfmt::skip]
pub(super) fn children(node: &AstNode) -> Vec<&AstNode> {
    use AstNode as N;
    match node {
        N::Add(a, b) | N::And(a, b) | N::ContextEntry(a, b) | N::ContextTypeEntry(a, b)
        | N::Div(a, b) | N::Eq(a, b) | N::Every(a, b) | N::Exp(a, b) | N::Filter(a, b)
        | N::For(a, b) | N::FormalParameter(a, b) | N::FunctionDefinition(a, b)
        | N::FunctionInvocation(a, b) | N::FunctionType(a, b) | N::Ge(a, b) | N::Gt(a, b)
        | N::In(a, b) | N::InstanceOf(a, b) | N::IterationContextSingle(a, b) | N::Le(a, b)
        | N::Lt(a, b) | N::Mul(a, b) | N::NamedParameter(a, b) | N::Nq(a, b) | N::Or(a, b)
        | N::Out(a, b) | N::Path(a, b) | N::QuantifiedContext(a, b) | N::Range(a, b)
        | N::Some(a, b) | N::Sub(a, b) => vec![a, b],
        N::Between(a, b, c) | N::If(a, b, c) | N::IterationContextInterval(a, b, c) => {
            vec![a, b, c]
        }
        N::EvaluatedExpression(a) | N::FunctionBody(a, _) | N::IntervalEnd(a, _)
        | N::IntervalStart(a, _) | N::ListType(a) | N::Neg(a) | N::RangeType(a)
        | N::Satisfies(a) | N::UnaryGe(a) | N::UnaryGt(a) | N::UnaryLe(a) | N::UnaryLt(a)
        | N::UnaryEq(a) | N::UnaryNe(a) => vec![a],
        N::CommaList(nodes) | N::Context(nodes) | N::ContextType(nodes)
        | N::ExpressionList(nodes) | N::FormalParameters(nodes) | N::IterationContexts(nodes)
        | N::List(nodes) | N::NamedParameters(nodes) | N::NegatedList(nodes)
        | N::ParameterTypes(nodes) | N::PositionalParameters(nodes) | N::QualifiedName(nodes)
        | N::QuantifiedContexts(nodes) => nodes.iter().collect(),
        N::At(_) | N::Boolean(_) | N::ContextEntryKey(_) | N::ContextTypeEntryKey(_)
        | N::FeelType(_) | N::Irrelevant | N::Name(_) | N::Null | N::Numeric(..)
        | N::ParameterName(_) | N::QualifiedNameSegment(_) | N::String(_) => Vec::new(),
    }
}

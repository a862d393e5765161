//! SCIM filters (RFC 7644 §3.4.2.2): a parser with limits, and matching. The same language selects the resources of a
//! list and the elements of a multi-valued attribute. Start with [`Filter`].
//! See docs/reference/scim.md#query-parameters.

use std::borrow::Cow;

use strum::EnumString;

use super::Fault;
use crate::domain::Denial;
use crate::domain::identities::Principal;

/// The maximum number of comparisons and operators in a filter, from the v2.1 documentation.
pub const MAX_NODES: usize = 200;
/// The deepest nesting of parentheses. The parser recurses, so this also limits its stack.
pub const MAX_DEPTH: usize = 50;

/// An attribute that a filter may name.
pub trait Field: Copy {
    /// The field with this lowercase name.
    fn parse(name: &str) -> Option<Self>;

    /// Whether upper and lower case differ in its values.
    fn is_case_exact(self) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "lowercase")]
enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
}

impl Operator {
    fn holds(self, found: &str, expected: &str) -> bool {
        match self {
            Self::Eq | Self::Ne => found == expected,
            Self::Co => found.contains(expected),
            Self::Sw => found.starts_with(expected),
            Self::Ew => found.ends_with(expected),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter<F>(Node<F>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node<F> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Present(F),
    Compare { field: F, operator: Operator, expected: String },
}

impl<F: Field> Filter<F> {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`Fault::InvalidFilter`], which says what is wrong.
    pub fn parse(text: &str) -> Result<Self, Denial> {
        let mut parser = Parser { rest: text, nodes: 0, depth: 0 };
        let parsed = parser.any().and_then(|node| match parser.rest.trim_start() {
            "" => Ok(Self(node)),
            rest => Err(format!("'{}' is not expected", excerpt(rest))),
        });
        parsed.map_err(|why| Denial::Scim(Fault::InvalidFilter, format!("The filter cannot be read: {why}.")))
    }

    /// Whether the filter names one of these fields.
    pub fn mentions(&self, is_one: &impl Fn(F) -> bool) -> bool {
        self.0.mentions(is_one)
    }

    /// The first of these fields that must equal a value for anything to match, and that value in the form in which it
    /// is compared.
    pub fn requires(&self, is_one: &impl Fn(F) -> bool) -> Option<(F, &str)> {
        self.0.requires(is_one)
    }

    /// Whether something with these values matches. A field may have any number of values; a boolean has `true` or
    /// `false`. `ne` is the opposite of `eq`, so it also matches a field without values.
    pub fn matches<'a>(&self, values: &impl Fn(F) -> Vec<Cow<'a, str>>) -> bool {
        self.0.matches(values)
    }
}

impl<F: Field> Node<F> {
    fn mentions(&self, is_one: &impl Fn(F) -> bool) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(|node| node.mentions(is_one)),
            Self::Not(node) => node.mentions(is_one),
            Self::Present(field) | Self::Compare { field, .. } => is_one(*field),
        }
    }

    fn requires(&self, is_one: &impl Fn(F) -> bool) -> Option<(F, &str)> {
        match self {
            Self::All(nodes) => nodes.iter().find_map(|node| node.requires(is_one)),
            Self::Compare { field, operator: Operator::Eq, expected } if is_one(*field) => Some((*field, expected)),
            _ => None,
        }
    }

    fn matches<'a>(&self, values: &impl Fn(F) -> Vec<Cow<'a, str>>) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.matches(values)),
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(values)),
            Self::Not(node) => !node.matches(values),
            Self::Present(field) => values(*field).iter().any(|value| !value.is_empty()),
            Self::Compare { field, operator, expected } => {
                let holds = values(*field).iter().any(|value| operator.holds(&comparable(*field, value), expected));
                holds != (*operator == Operator::Ne)
            }
        }
    }
}

/// The form in which a value is compared.
fn comparable<F: Field>(field: F, value: &str) -> Cow<'_, str> {
    if field.is_case_exact() { value.into() } else { Principal::name_key(value).into() }
}

/// The beginning of a text, for the error message.
fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

struct Parser<'a> {
    rest: &'a str,
    nodes: usize,
    depth: usize,
}

type Parsed<T> = Result<T, String>;

impl<'a> Parser<'a> {
    fn any<F: Field>(&mut self) -> Parsed<Node<F>> {
        let mut nodes = vec![self.all()?];
        while self.keyword("or") {
            nodes.push(self.all()?);
        }
        Ok(one_or(nodes, Node::Any))
    }

    fn all<F: Field>(&mut self) -> Parsed<Node<F>> {
        let mut nodes = vec![self.term()?];
        while self.keyword("and") {
            nodes.push(self.term()?);
        }
        Ok(one_or(nodes, Node::All))
    }

    fn term<F: Field>(&mut self) -> Parsed<Node<F>> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!("it has more than {MAX_NODES} parts"));
        }
        if self.keyword("not") {
            return Ok(Node::Not(Box::new(self.group()?)));
        }
        if self.rest.trim_start().starts_with('(') {
            return self.group();
        }
        self.comparison()
    }

    fn group<F: Field>(&mut self) -> Parsed<Node<F>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} times"));
        }
        self.symbol('(')?;
        let node = self.any()?;
        self.symbol(')')?;
        self.depth -= 1;
        Ok(node)
    }

    fn comparison<F: Field>(&mut self) -> Parsed<Node<F>> {
        let name = self.word();
        // The URN of a schema may precede an attribute.
        let short = name.rsplit(':').next().unwrap_or(name).to_lowercase();
        let field = F::parse(&short).ok_or_else(|| match name {
            "" => "an attribute is missing".to_owned(),
            name => format!("there is no attribute '{}'", excerpt(name)),
        })?;
        let operator = self.word().to_lowercase();
        if operator == "pr" {
            return Ok(Node::Present(field));
        }
        let operator = operator.parse().map_err(|_| format!("there is no operator '{}'", excerpt(&operator)))?;
        let expected = self.value()?;
        Ok(Node::Compare { field, operator, expected: comparable(field, &expected).into_owned() })
    }

    /// A JSON string; text in single quotes, as Terraform sends it; or a bare word, as in the documentation's examples.
    fn value(&mut self) -> Parsed<Cow<'a, str>> {
        let start = self.rest.trim_start();
        let Some(quote @ ('"' | '\'')) = start.chars().next() else {
            return match self.word() {
                "" => Err("a value is missing".into()),
                word => Ok(word.into()),
            };
        };
        let inner = start.get(1..).unwrap_or_default();
        let mut escaped = false;
        let end = inner.find(|c| {
            let closes = c == quote && !escaped;
            escaped = c == '\\' && !escaped && quote == '"';
            closes
        });
        let end = end.ok_or("a quote is not closed")?;
        let (text, rest) = (inner.get(..end).unwrap_or_default(), inner.get(end + 1..).unwrap_or_default());
        self.rest = rest;
        if quote == '\'' {
            return Ok(text.into());
        }
        let text: String = serde_json::from_str(&format!("\"{text}\"")).map_err(|_| "a quoted text is malformed")?;
        Ok(text.into())
    }

    /// Consumes the next characters that are neither spaces nor parentheses.
    fn word(&mut self) -> &'a str {
        let start = self.rest.trim_start();
        let end = start.find(|c: char| c.is_whitespace() || c == '(' || c == ')').unwrap_or(start.len());
        let (word, rest) = start.split_at(end);
        self.rest = rest;
        word
    }

    /// Consumes the next word if it is this one.
    fn keyword(&mut self, expected: &str) -> bool {
        let before = self.rest;
        let found = self.word().eq_ignore_ascii_case(expected);
        if !found {
            self.rest = before;
        }
        found
    }

    fn symbol(&mut self, expected: char) -> Parsed<()> {
        let rest = self.rest.trim_start().strip_prefix(expected);
        self.rest = rest.ok_or_else(|| format!("'{expected}' is missing"))?;
        Ok(())
    }
}

/// A single node as it is; several nodes joined.
fn one_or<F>(mut nodes: Vec<Node<F>>, join: fn(Vec<Node<F>>) -> Node<F>) -> Node<F> {
    match nodes.pop() {
        Some(node) if nodes.is_empty() => node,
        Some(node) => {
            nodes.push(node);
            join(nodes)
        }
        None => join(nodes),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Sample {
        Name,
        Exact,
        Many,
        Nothing,
    }

    impl Field for Sample {
        fn parse(name: &str) -> Option<Self> {
            [("name", Self::Name), ("exact", Self::Exact), ("many", Self::Many), ("nothing", Self::Nothing)]
                .into_iter()
                .find_map(|(known, field)| (known == name).then_some(field))
        }

        fn is_case_exact(self) -> bool {
            self == Self::Exact
        }
    }

    fn values(field: Sample) -> Vec<Cow<'static, str>> {
        match field {
            Sample::Name => vec!["Ann O'Hara (x)".into()],
            Sample::Exact => vec!["Ab".into()],
            Sample::Many => vec!["one".into(), "TWO".into()],
            Sample::Nothing => vec![],
        }
    }

    fn matches(text: &str) -> bool {
        Filter::<Sample>::parse(text).unwrap_or_else(|denial| panic!("{text}: {denial:?}")).matches(&values)
    }

    #[test]
    fn operators_compare() {
        for (text, expected) in [
            ("name eq \"ann o'hara (x)\"", true),
            ("NAME EQ \"ANN O'HARA (X)\"", true),
            ("name eq \"ann\"", false),
            ("name co \"O'H\"", true),
            ("name sw Ann", true),
            ("name sw 'o'", false),
            ("name ew \"(x)\"", true),
            ("name ne \"ann\"", true),
            ("name pr", true),
            ("exact eq Ab", true),
            ("exact eq ab", false),
            ("many eq two", true),
            ("many ne two", false),
            ("many ne three", true),
            ("nothing eq \"\"", false),
            ("nothing ne x", true),
            ("nothing pr", false),
            ("name eq \"\\u0041nn O'Hara (x)\"", true),
            ("urn:ietf:params:scim:schemas:core:2.0:User:name sw ann", true),
            ("  name\tpr  ", true),
        ] {
            assert_eq!(matches(text), expected, "{text}");
        }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        for (text, expected) in [
            ("name pr or name pr and nothing pr", true),
            ("(name pr or name pr) and nothing pr", false),
            ("name pr AND Not (nothing pr)", true),
            ("not(name pr)or(exact eq Ab)", true),
            ("nothing pr or nothing pr or many eq one", true),
            ("((name pr))", true),
        ] {
            assert_eq!(matches(text), expected, "{text}");
        }
    }

    #[test]
    fn a_filter_requires_what_must_be_equal_for_a_match() {
        for (text, expected) in [
            ("name eq Ann", Some("ann")),
            ("many eq x and (exact eq y and name eq \"B\")", Some("b")),
            ("name eq a or name eq b", None),
            ("not (name eq a)", None),
            ("name ne a", None),
            ("name sw a", None),
            ("exact eq a", None),
        ] {
            let filter = Filter::<Sample>::parse(text).unwrap();
            let found = filter.requires(&|field| field == Sample::Name);
            assert_eq!(found, expected.map(|value| (Sample::Name, value)), "{text}");
        }
        let filter = Filter::<Sample>::parse("exact pr or not (many eq x and exact pr)").unwrap();
        assert!(filter.mentions(&|field| field == Sample::Many) && !filter.mentions(&|field| field == Sample::Name));
    }

    #[test]
    fn malformed_filters_are_refused() {
        for (text, why) in [
            ("", "an attribute is missing"),
            ("name", "there is no operator ''"),
            ("name eq", "a value is missing"),
            ("name eq \"x", "a quote is not closed"),
            ("name eq 'x", "a quote is not closed"),
            ("name eq \"\\x\"", "malformed"),
            ("name gt 5", "there is no operator 'gt'"),
            ("wrong eq 5", "there is no attribute 'wrong'"),
            ("name pr and", "an attribute is missing"),
            ("name pr name pr", "'name pr' is not expected"),
            ("(name pr", "')' is missing"),
            ("name pr)", "')' is not expected"),
            ("not name pr", "'(' is missing"),
            ("name eq a b", "'b' is not expected"),
        ] {
            match Filter::<Sample>::parse(text) {
                Err(Denial::Scim(Fault::InvalidFilter, said)) => assert!(said.contains(why), "{text}: {said}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn depth_and_size_are_limited() {
        let nested = |n: usize| format!("{}name pr{}", "(".repeat(n), ")".repeat(n));
        let wide = |n: usize| vec!["name pr"; n].join(" or ");
        assert!(Filter::<Sample>::parse(&nested(MAX_DEPTH)).is_ok());
        assert!(Filter::<Sample>::parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(Filter::<Sample>::parse(&nested(100_000)).is_err());
        assert!(Filter::<Sample>::parse(&"not (".repeat(100_000)).is_err());
        assert!(Filter::<Sample>::parse(&wide(MAX_NODES)).is_ok());
        assert!(Filter::<Sample>::parse(&wide(MAX_NODES + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(
            text in prop_oneof![any::<String>(), "[a-z \"'\\\\()]{0,60}", "((name|many) ?(eq|pr|co)? ?(\"|'|x|é|\\() ?(and|or|not)? ?){0,8}"]
        ) {
            if let Ok(filter) = Filter::<Sample>::parse(&text) {
                let opposite = Filter::<Sample>::parse(&format!("not ({text})"));
                prop_assert!(opposite.is_err() || opposite.unwrap().matches(&values) != filter.matches(&values));
            }
        }

        #[test]
        fn a_quoted_text_is_compared_exactly(text in any::<String>()) {
            let quoted = serde_json::to_string(&text).unwrap();
            let parsed = Filter::<Sample>::parse(&format!("exact eq {quoted}")).unwrap();
            prop_assert!(parsed.matches(&|_| vec![text.as_str().into()]));
            let longer = format!("{text}x");
            prop_assert!(!parsed.matches(&|_| vec![longer.as_str().into()]));
        }
    }
}

//! Reads the C header: constants, opaque handles, functions, and the comment before each.
//!
//! It knows the C that a stable ABI is written in (prototypes, `#define NAME number`, enumerations,
//! `typedef struct x x;`) and refuses, naming it, whatever it cannot carry over exactly.

/// What the header declares, in its order.
#[derive(Debug, Default)]
pub struct Header {
    /// `#define NAME number` and enumerators.
    pub constants: Vec<Constant>,
    /// `#define NAME "text"`.
    pub texts: Vec<(String, String)>,
    /// Structs that are only ever pointed to.
    pub handles: Vec<Documented>,
    /// Functions.
    pub functions: Vec<Function>,
}

impl Header {
    /// The statuses of the ABI with the prefix cut off: outcomes and errors, by number.
    pub fn statuses(&self) -> Vec<(&str, i64, &[String])> {
        let mut statuses: Vec<_> = self
            .constants
            .iter()
            .filter_map(|constant| {
                let name = constant.status_name()?;
                Some((name, constant.value, constant.docs.as_slice()))
            })
            .collect();
        statuses.sort_by_key(|(_, value, _)| *value);
        statuses
    }
}

/// A name with its comment.
#[derive(Debug)]
pub struct Documented {
    pub name: String,
    pub docs: Vec<String>,
}

/// An integer constant.
#[derive(Debug)]
pub struct Constant {
    pub name: String,
    pub value: i64,
    pub docs: Vec<String>,
}

impl Constant {
    /// The name without its prefix when it is a status: all constants are but those of versions and levels of the log.
    pub fn status_name(&self) -> Option<&str> {
        self.name
            .strip_prefix("LAMINAR_")
            .filter(|name| !name.contains("VERSION") && !name.starts_with("LOG_"))
    }
}

/// A function of the ABI.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub docs: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub result: Type,
}

/// A parameter; a prototype may leave out the name.
#[derive(Debug)]
pub struct Parameter {
    pub name: Option<String>,
    pub ty: Type,
}

/// A C type of the few shapes that the ABI uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `void`, `int32_t`, `struct ArrowArray`, `laminar_db` ...
    Named(String),
    /// A pointer, to something constant or not.
    Pointer { constant: bool, to: Box<Type> },
    /// A pointer to a function, its parameters and its result; it may be null.
    Callback(Vec<Type>, Box<Type>),
}

/// Reads a header. The error is a sentence that names the declaration.
pub fn parse(text: &str) -> Result<Header, String> {
    let mut header = Header::default();
    let mut tokens = tokenize(text, &mut header)?;
    tokens.reverse();
    Parser { rest: tokens, docs: Vec::new() }.declarations(&mut header)?;
    Ok(header)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
    Doc(Vec<String>),
}

/// Cuts the text into words, marks and comments; takes the preprocessor's constants out on the way.
fn tokenize(text: &str, header: &mut Header) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if let Some(body) = rest.strip_prefix("/*") {
            let end = body.find("*/").ok_or("a comment does not end")?;
            tokens.push(Token::Doc(comment(&body[..end])));
            rest = &body[end + 2..];
        } else if let Some(body) = rest.strip_prefix("//") {
            let end = body.find('\n').unwrap_or(body.len());
            let line = body[..end].trim_start_matches('/').trim().to_string();
            match tokens.last_mut() {
                Some(Token::Doc(lines)) => lines.push(line),
                _ => tokens.push(Token::Doc(vec![line])),
            }
            rest = &body[end..];
        } else if first == '#' {
            let (line, after) = logical_line(rest);
            let docs = match tokens.last() {
                Some(Token::Doc(lines)) => lines.clone(),
                _ => Vec::new(),
            };
            define(&line, docs, header);
            while matches!(tokens.last(), Some(Token::Doc(_))) {
                tokens.pop();
            }
            rest = after;
        } else if first == '"' {
            let end = rest[1..].find('"').ok_or("a string does not end")?;
            tokens.push(Token::Word(rest[..end + 2].to_string()));
            rest = &rest[end + 2..];
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_string()));
            rest = &rest[end..];
        } else {
            tokens.push(Token::Mark(first));
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(tokens)
}

fn comment(body: &str) -> Vec<String> {
    let mut lines: Vec<String> = body
        .trim_start_matches(['*', '!'])
        .lines()
        .map(|line| {
            let line = line.trim_start();
            let line = line.strip_prefix('*').unwrap_or(line);
            line.strip_prefix(' ').unwrap_or(line).trim_end().to_string()
        })
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    while lines.first().is_some_and(|line| line.trim().is_empty()) {
        lines.remove(0);
    }
    lines
}

/// One line of the preprocessor with its continuations, and the text after it.
fn logical_line(text: &str) -> (String, &str) {
    let mut line = String::new();
    let mut rest = text;
    loop {
        let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        match first.trim_end().strip_suffix('\\') {
            Some(part) => line.push_str(part),
            None => {
                line.push_str(first);
                return (line, rest);
            }
        }
    }
}

/// Keeps `#define NAME literal`; every other line of the preprocessor is of no use to a binding.
fn define(line: &str, docs: Vec<String>, header: &mut Header) {
    let Some(body) = line.trim_start_matches('#').trim_start().strip_prefix("define ") else {
        return;
    };
    let Some((name, value)) = body.trim().split_once(char::is_whitespace) else {
        return;
    };
    let (name, value) = (name.to_string(), value.trim());
    if let Some(text) = value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        header.texts.push((name, text.to_string()));
    } else if let Some(value) = integer(value) {
        header.constants.push(Constant { name, value, docs });
    }
}

/// `7`, `-7`, `(7)`, `7u`, `INT32_C(7)`, `((laminar_status)7)`.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        return integer(inner);
    }
    if let Some((cast, value)) = text.strip_prefix('(').and_then(|cast| cast.split_once(')')) {
        return cast.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| integer(value))?;
    }
    if let Some((call, value)) = text.strip_suffix(')').and_then(|call| call.split_once('(')) {
        return call.ends_with("_C").then(|| integer(value))?;
    }
    text.trim_end_matches(['u', 'U', 'l', 'L']).parse().ok()
}

struct Parser {
    /// The tokens to come, the next one last.
    rest: Vec<Token>,
    /// The comment before the declaration being read.
    docs: Vec<String>,
}

impl Parser {
    fn declarations(mut self, header: &mut Header) -> Result<(), String> {
        loop {
            self.docs = self.documentation();
            match self.rest.last().cloned() {
                None => return Ok(()),
                Some(Token::Mark(';' | '}')) => {
                    self.rest.pop();
                }
                Some(Token::Word(word)) => match word.as_str() {
                    "extern" => self.linkage()?,
                    "typedef" => self.typedef(header)?,
                    "struct" if self.is_definition() => self.skip_braces()?,
                    "enum" => self.enumeration(header)?,
                    _ => self.function(header)?,
                },
                Some(other) => return Err(format!("{other:?} where a declaration begins")),
            }
        }
    }

    fn documentation(&mut self) -> Vec<String> {
        let mut docs = Vec::new();
        while let Some(Token::Doc(lines)) = self.rest.last() {
            docs = lines.clone();
            self.rest.pop();
        }
        docs
    }

    fn next(&mut self) -> Result<Token, String> {
        self.documentation();
        self.rest.pop().ok_or_else(|| "the header ends inside a declaration".to_string())
    }

    fn peek(&mut self) -> Option<&Token> {
        self.documentation();
        self.rest.last()
    }

    fn accept(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        if found {
            self.rest.pop();
        }
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        match self.next()? {
            Token::Mark(found) if found == mark => Ok(()),
            other => Err(format!("{other:?} where `{mark}` was expected")),
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            other => Err(format!("{other:?} where a name was expected")),
        }
    }

    /// `extern "C" {`; its closing brace is skipped where declarations begin.
    fn linkage(&mut self) -> Result<(), String> {
        self.next()?;
        if matches!(self.peek(), Some(Token::Word(word)) if word.starts_with('"')) {
            self.next()?;
            self.accept('{');
        }
        Ok(())
    }

    fn is_definition(&self) -> bool {
        let mut ahead = self.rest.iter().rev().filter(|token| !matches!(token, Token::Doc(_)));
        ahead.nth(2) == Some(&Token::Mark('{'))
    }

    /// Over `struct x { ... };`: only Arrow's own structs are laid out, and those are written by
    /// hand.
    fn skip_braces(&mut self) -> Result<(), String> {
        let mut depth = 0;
        loop {
            match self.next()? {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth -= 1,
                Token::Mark(';') if depth == 0 => return Ok(()),
                _ => {}
            }
        }
    }

    fn typedef(&mut self, header: &mut Header) -> Result<(), String> {
        self.next()?;
        match self.peek() {
            Some(Token::Word(word)) if word == "enum" => return self.enumeration(header),
            Some(Token::Word(word)) if word == "struct" => {
                self.next()?;
                let name = self.word()?;
                if self.peek() == Some(&Token::Mark('{')) {
                    return self.skip_braces();
                }
                let alias = self.word()?;
                if alias != name {
                    return Err(format!("struct {name} has another name, {alias}"));
                }
                let docs = std::mem::take(&mut self.docs);
                header.handles.push(Documented { name, docs });
            }
            _ => {
                self.word()?;
                self.word()?;
            }
        }
        self.expect(';')
    }

    fn enumeration(&mut self, header: &mut Header) -> Result<(), String> {
        self.next()?;
        while self.peek() != Some(&Token::Mark('{')) {
            self.next()?;
        }
        self.expect('{')?;
        let mut next = 0;
        loop {
            let docs = self.documentation();
            if self.accept('}') {
                break;
            }
            let name = self.word()?;
            if self.accept('=') {
                let sign = if self.accept('-') { -1 } else { 1 };
                let text = self.word()?;
                next = sign * integer(&text).ok_or_else(|| format!("{name} = {text}"))?;
            }
            header.constants.push(Constant { name, value: next, docs });
            next += 1;
            self.accept(',');
        }
        while self.next()? != Token::Mark(';') {}
        Ok(())
    }

    fn function(&mut self, header: &mut Header) -> Result<(), String> {
        let docs = std::mem::take(&mut self.docs);
        let result = self.ty()?;
        let name = self.word()?;
        self.expect('(')?;
        let parameters = self.parameters().map_err(|error| format!("{name}: {error}"))?;
        self.expect(';').map_err(|error| format!("{name}: {error}"))?;
        header.functions.push(Function { name, docs, parameters, result });
        Ok(())
    }

    /// The parameters up to and with the closing parenthesis.
    fn parameters(&mut self) -> Result<Vec<Parameter>, String> {
        let mut parameters = Vec::new();
        if self.accept(')') {
            return Ok(parameters);
        }
        loop {
            let ty = self.ty()?;
            if self.accept('(') {
                self.expect('*')?;
                let name = self.word()?;
                self.expect(')')?;
                self.expect('(')?;
                let types = self.parameters()?.into_iter().map(|parameter| parameter.ty).collect();
                parameters
                    .push(Parameter { name: Some(name), ty: Type::Callback(types, Box::new(ty)) });
            } else {
                let name = match self.peek() {
                    Some(Token::Word(_)) => Some(self.word()?),
                    _ => None,
                };
                parameters.push(Parameter { name, ty });
            }
            if self.accept(')') {
                break;
            }
            self.expect(',')?;
        }
        if let [Parameter { name: None, ty: Type::Named(ty) }] = parameters.as_slice()
            && ty == "void"
        {
            parameters.clear();
        }
        Ok(parameters)
    }

    fn ty(&mut self) -> Result<Type, String> {
        let mut constant = false;
        let mut ty = loop {
            match self.word()?.as_str() {
                "const" => constant = true,
                "struct" | "LAMINAR_API" | "LAMINAR_EXPORT" => {}
                name => break Type::Named(name.to_string()),
            }
        };
        loop {
            if self.accept('*') {
                ty = Type::Pointer { constant, to: Box::new(ty) };
                constant = false;
            } else if matches!(self.peek(), Some(Token::Word(word)) if word == "const") {
                self.next()?;
                constant = true;
            } else {
                return Ok(ty);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"
        /* laminar.h */
        #ifndef LAMINAR_H
        #define LAMINAR_H
        #define LAMINAR_VERSION "0.1.0"
        /** The number. */
        #define LAMINAR_AGAIN 1
        #ifdef __cplusplus
        extern "C" {
        #endif
        struct ArrowArray { int64_t length; void (*release)(struct ArrowArray*); };
        typedef int32_t laminar_status;
        /** A handle. */
        typedef struct laminar_db laminar_db;
        /**
         * Polls.
         *
         * Really.
         */
        laminar_status laminar_poll(const laminar_db *db, struct ArrowArray *array,
                                    void (*callback)(void *userdata), const int64_t **out);
        const char *laminar_version(void);
        #ifdef __cplusplus
        }
        #endif
        #endif
    "#;

    #[test]
    fn reads_constants_handles_and_functions() {
        let header = parse(HEADER).unwrap();
        assert_eq!(header.texts, [("LAMINAR_VERSION".to_string(), "0.1.0".to_string())]);
        assert_eq!(header.statuses(), [("AGAIN", 1, &["The number.".to_string()][..])]);
        assert_eq!(header.handles[0].docs, ["A handle."]);
        let [poll, version] = header.functions.as_slice() else { panic!("{header:?}") };
        assert_eq!(poll.docs, ["Polls.", "", "Really."]);
        assert_eq!(poll.parameters.len(), 4);
        assert!(matches!(poll.parameters[2].ty, Type::Callback(..)));
        assert!(version.parameters.is_empty());
    }

    #[test]
    fn says_what_it_cannot_carry_over() {
        for text in ["int f(int (*)(void));", "typedef struct a b;", "int f(int"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_integers_in_their_usual_clothes() {
        for text in ["7", "(7)", "7u", "INT32_C(7)", "((laminar_status)7)"] {
            assert_eq!(integer(text), Some(7), "{text}");
        }
        assert_eq!(integer("sizeof(int)"), None);
    }
}

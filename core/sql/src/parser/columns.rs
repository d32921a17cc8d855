//! The column list of `CREATE SOURCE`, `CREATE TABLE` and `CREATE LOOKUP TABLE`: columns,
//! `PRIMARY KEY` and `WATERMARK FOR`, in any order.

use datafusion::sql::sqlparser::{
    ast::{DataType, TimezoneInfo},
    tokenizer::Token,
};
use laminar_types::{Error, Result, error::code};

use super::{
    another_item,
    clauses::duration_ns,
    cursor::Cursor,
    lexer::{is_word, unquoted},
    options::Options,
    statement::{ColumnDef, Name, Watermark},
};

/// Words that stand behind the type of a column and are not a part of it.
const COLUMN_OPTIONS: [&str; 14] = [
    "NOT",
    "NULL",
    "PRIMARY",
    "AS",
    "DEFAULT",
    "UNIQUE",
    "CHECK",
    "REFERENCES",
    "GENERATED",
    "COLLATE",
    "COMMENT",
    "CONSTRAINT",
    "AUTO_INCREMENT",
    "WATERMARK",
];

/// What a column list declares.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// The columns.
    pub(super) columns: Vec<ColumnDef>,
    /// The columns of the primary key, in its order.
    pub(super) primary_key: Vec<Name>,
    /// `WATERMARK FOR`.
    pub(super) watermark: Option<Watermark>,
}

/// Reads a column list with its parentheses.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Columns> {
    let mut list = Columns::default();
    cursor.expect_token(&Token::LParen, "( and columns")?;
    loop {
        if cursor.is(&["WATERMARK", "FOR"]) {
            let position = cursor.position();
            let watermark = watermark(cursor)?;
            if list.watermark.replace(watermark).is_some() {
                let message = "WATERMARK FOR is given twice; a table has one event-time column";
                return Err(Error::new(code::SYNTAX, message).at(position));
            }
        } else if starts_constraint(cursor) {
            constraint(cursor, &mut list)?;
        } else {
            let column = column(cursor)?;
            if list.columns.iter().any(|other| other.name == column.name) {
                let message = format!("column {} is declared twice", column.name.value);
                return Err(Error::new(code::SYNTAX, message).at(column.name.position));
            }
            if column.primary_key {
                declare_key(&mut list, vec![column.name.clone()])?;
            }
            list.columns.push(column);
        }
        if !another_item(cursor)? {
            break;
        }
    }
    finish(list)
}

/// Reads one column: `name type [NOT NULL] [PRIMARY KEY]` or `name [type] AS proctime()`.
pub(super) fn column(cursor: &mut Cursor<'_>) -> Result<ColumnDef> {
    let name = cursor.name("the name of a column")?;
    let mut column = ColumnDef {
        data_type: DataType::Timestamp(Some(3), TimezoneInfo::None),
        not_null: false,
        primary_key: false,
        proctime: false,
        name,
    };
    if !cursor.is(&["AS"]) {
        column.data_type = data_type(cursor, &column.name)?;
    }
    loop {
        if cursor.eat(&["NOT", "NULL"]) {
            column.not_null = true;
        } else if cursor.eat(&["NULL"]) {
        } else if cursor.eat(&["PRIMARY", "KEY"]) {
            column.primary_key = true;
            column.not_null = true;
            cursor.eat(&["NOT", "ENFORCED"]);
        } else if cursor.is(&["AS"]) {
            proctime(cursor)?;
            column.proctime = true;
        } else {
            break;
        }
    }
    if matches!(cursor.peek(), Token::Comma | Token::RParen | Token::EOF) {
        return Ok(column);
    }
    for (option, next) in [("NOT", "NULL"), ("PRIMARY", "KEY")] {
        if cursor.eat(&[option]) {
            return Err(cursor.expected_one_of(&[next]));
        }
    }
    let option = COLUMN_OPTIONS.iter().find(|option| is_word(cursor.peek(), option));
    Err(match option {
        Some(&option) if option != "WATERMARK" => cursor.unsupported(format!(
            "{option} is not supported for a column; a column has a type, NOT NULL and PRIMARY KEY"
        )),
        _ => {
            cursor.expected_near("a comma, NOT NULL, PRIMARY KEY or )", &["NOT", "NULL", "PRIMARY"])
        }
    })
}

fn data_type(cursor: &mut Cursor<'_>, name: &Name) -> Result<DataType> {
    let expected = format!("the type of column {}", name.value);
    let is_option = COLUMN_OPTIONS.iter().any(|option| is_word(cursor.peek(), option));
    if is_option || !matches!(cursor.peek(), Token::Word(_)) {
        return Err(cursor.expected(&expected));
    }
    let end = type_end(cursor);
    cursor.parse_with(end, |parser| parser.parse_data_type())
}

/// The index behind the tokens that can belong to the type that starts here. Only types have
/// commas between angle brackets.
fn type_end(cursor: &Cursor<'_>) -> usize {
    let angles = std::cell::Cell::new(0_usize);
    cursor.find(|token| {
        match token {
            Token::Lt => angles.set(angles.get() + 1),
            Token::Gt => angles.set(angles.get().saturating_sub(1)),
            Token::ShiftRight => angles.set(angles.get().saturating_sub(2)),
            _ => {}
        }
        let option = || COLUMN_OPTIONS.iter().any(|option| is_word(token, option));
        angles.get() == 0 && (token == &Token::Comma || option())
    })
}

/// `AS proctime()`, in parentheses or not.
fn proctime(cursor: &mut Cursor<'_>) -> Result<()> {
    let position = cursor.position();
    cursor.expect(&["AS"])?;
    let nested = cursor.eat_token(&Token::LParen);
    let found = cursor.eat(&["PROCTIME"])
        && cursor.eat_token(&Token::LParen)
        && cursor.eat_token(&Token::RParen)
        && (!nested || cursor.eat_token(&Token::RParen));
    if found {
        return Ok(());
    }
    let message =
        "a computed column other than proctime() is not supported; compute it in a stream";
    Err(Error::unsupported(message).at(position))
}

/// `WATERMARK FOR ts [AS ts [- delay]]`.
fn watermark(cursor: &mut Cursor<'_>) -> Result<Watermark> {
    cursor.expect(&["WATERMARK", "FOR"])?;
    let column = cursor.name("the event-time column")?;
    if !cursor.eat(&["AS"]) {
        return Ok(Watermark { column, delay_ns: 0 });
    }
    let nested = cursor.eat_token(&Token::LParen);
    let position = cursor.position();
    let computed_from = cursor.name(&format!("{} - a delay", column.value))?;
    if computed_from != column {
        let message = format!(
            "the watermark of {} is computed from {} itself: WATERMARK FOR {0} AS {0} - INTERVAL \
             '5' SECOND",
            column.value, column.value
        );
        return Err(Error::new(code::SYNTAX, message).at(position));
    }
    let delay_ns = if cursor.eat_token(&Token::Minus) { duration_ns(cursor)? } else { 0 };
    if nested {
        cursor.expect_token(&Token::RParen, ")")?;
    }
    match cursor.peek() {
        Token::Comma | Token::RParen => Ok(Watermark { column, delay_ns }),
        _ => Err(cursor.expected("- and a delay, a comma or )")),
    }
}

/// Whether a constraint of the table starts here, rather than a column.
fn starts_constraint(cursor: &Cursor<'_>) -> bool {
    let opens = |ahead: usize| cursor.peek_at(ahead) == &Token::LParen;
    cursor.is(&["PRIMARY", "KEY"]) && opens(2)
        || cursor.is(&["FOREIGN", "KEY"])
        || (cursor.is(&["UNIQUE"]) || cursor.is(&["CHECK"])) && opens(1)
        || cursor.is(&["CONSTRAINT"])
            && unquoted(cursor.peek_at(2)).is_some_and(|word| {
                ["PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]
                    .iter()
                    .any(|constraint| word.value.eq_ignore_ascii_case(constraint))
            })
}

fn constraint(cursor: &mut Cursor<'_>, list: &mut Columns) -> Result<()> {
    if cursor.eat(&["CONSTRAINT"]) {
        cursor.name("the name of a constraint")?;
    }
    let position = cursor.position();
    if !cursor.eat(&["PRIMARY", "KEY"]) {
        let message = "the only constraint of a table is PRIMARY KEY (columns)";
        return Err(Error::unsupported(message).at(position));
    }
    cursor.expect_token(&Token::LParen, "( and the columns of the key")?;
    let mut key = Vec::new();
    loop {
        let name = cursor.name("the name of a column")?;
        if key.contains(&name) {
            let message = format!("column {} is in the key twice", name.value);
            return Err(Error::new(code::SYNTAX, message).at(name.position));
        }
        key.push(name);
        if !another_item(cursor)? {
            break;
        }
    }
    cursor.eat(&["NOT", "ENFORCED"]);
    declare_key(list, key)
}

fn declare_key(list: &mut Columns, key: Vec<Name>) -> Result<()> {
    if let (false, Some(first)) = (list.primary_key.is_empty(), key.first()) {
        let message = "PRIMARY KEY is given twice; for several columns write PRIMARY KEY (a, b)";
        return Err(Error::new(code::SYNTAX, message).at(first.position));
    }
    list.primary_key = key;
    Ok(())
}

/// Resolves the key and the watermark, which may stand before their columns.
fn finish(mut list: Columns) -> Result<Columns> {
    for key in &list.primary_key {
        match list.columns.iter_mut().find(|column| column.name == *key) {
            Some(column) => {
                column.primary_key = true;
                column.not_null = true;
            }
            None => return Err(no_column(key)),
        }
    }
    if let Some(watermark) = &list.watermark {
        check_column(&list.columns, &watermark.column)?;
    }
    Ok(list)
}

fn check_column(columns: &[ColumnDef], name: &Name) -> Result<()> {
    if columns.iter().any(|column| column.name == *name) { Ok(()) } else { Err(no_column(name)) }
}

fn no_column(name: &Name) -> Error {
    Error::new(code::SYNTAX, format!("there is no column {}", name.value)).at(name.position)
}

/// Takes `watermark` and `allowed_lateness` out of the options of a source: the same as
/// `WATERMARK FOR`. Without a column list the column is not checked.
pub(super) fn watermark_of_options(list: &mut Columns, options: &mut Options) -> Result<()> {
    let delay = options.take("allowed_lateness");
    if let Some(entry) = options.take("watermark") {
        if list.watermark.is_some() {
            return Err(entry.error("and WATERMARK FOR say the same; give one"));
        }
        let text = entry.text()?;
        let column = Name { value: text.clone(), position: entry.position };
        let lower = Name { value: text.to_ascii_lowercase(), position: entry.position };
        let is_exact = list.columns.iter().any(|other| other.name == column);
        let column = if is_exact { column } else { lower };
        if !list.columns.is_empty() {
            check_column(&list.columns, &column)
                .map_err(|error| entry.error(&format!("names no column: {}", error.message())))?;
        }
        list.watermark = Some(Watermark { column, delay_ns: 0 });
    }
    let Some(delay) = delay else { return Ok(()) };
    match &mut list.watermark {
        None => Err(delay.error("needs a watermark: add watermark = 'column'")),
        Some(watermark) if watermark.delay_ns != 0 => {
            Err(delay.error("and the delay of WATERMARK FOR say the same; give one"))
        }
        Some(watermark) => {
            watermark.delay_ns = delay.duration_ns()?;
            Ok(())
        }
    }
}

//! `SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), gap)`, which sqlparser does not know: the keys
//! become one more argument, a call of [`PARTITION_BY`].

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{PARTITION_BY, WindowKind};
use crate::parser::lexer::{bracket, is_word};

/// Rewrites the `PARTITION BY` of every window table function.
pub(in crate::parser) fn spell_partitions(tokens: &mut Vec<TokenWithSpan>) {
    // For each open bracket whether it is that of a window function.
    let mut open: Vec<bool> = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        match bracket(&tokens[index].token) {
            1 => open.push(index > 0 && is_window(&tokens[index - 1].token)),
            -1 => drop(open.pop()),
            _ => {}
        }
        let is_here = open.last() == Some(&true)
            && is_word(&tokens[index].token, "PARTITION")
            && tokens.get(index + 1).is_some_and(|next| is_word(&next.token, "BY"));
        if is_here && let Some(end) = end_of_keys(tokens, index + 2) {
            let span = tokens[index].span;
            let token = |token| TokenWithSpan::new(token, span);
            let is_bracketed = closing(tokens, index + 2) == Some(end - 1);
            if !is_bracketed {
                tokens.insert(end, token(Token::RParen));
            }
            let mut call = vec![token(Token::Comma), token(Token::make_word(PARTITION_BY, None))];
            if !is_bracketed {
                call.push(token(Token::LParen));
                open.push(false);
            }
            let call_length = call.len();
            tokens.splice(index..index + 2, call);
            index += call_length;
            continue;
        }
        index += 1;
    }
}

fn is_window(token: &Token) -> bool {
    matches!(token, Token::Word(word) if WindowKind::of_name(&word.value).is_some())
}

/// The comma behind the keys: that before `DESCRIPTOR`, that behind keys in brackets, or that
/// before the last two arguments.
fn end_of_keys(tokens: &[TokenWithSpan], start: usize) -> Option<usize> {
    let mut commas = Vec::new();
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        depth += bracket(&token.token);
        if depth < 0 {
            break;
        }
        if depth == 0 && token.token == Token::Comma {
            commas.push(index);
        }
    }
    let before_descriptor = commas
        .iter()
        .copied()
        .find(|comma| tokens.get(comma + 1).is_some_and(|next| is_word(&next.token, "DESCRIPTOR")));
    let bracketed = closing(tokens, start).map(|close| close + 1);
    let bracketed = bracketed.filter(|behind| commas.contains(behind));
    let last_two = commas.len().checked_sub(2).map(|index| commas[index]);
    before_descriptor.or(bracketed).or(last_two)
}

/// The bracket that closes the one at a place.
fn closing(tokens: &[TokenWithSpan], start: usize) -> Option<usize> {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        depth += bracket(&token.token);
        if depth <= 0 {
            return (index > start).then_some(index);
        }
    }
    None
}

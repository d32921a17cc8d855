//! The tokens and the expression grammar of the dialect, as sqlparser asks for them.
//!
//! It is sqlparser's generic dialect, the one that DataFusion is tested with, and
//! - with table versions: `FOR SYSTEM_TIME AS OF`;
//! - with `ORDER BY ALL`;
//! - without `SETTINGS`, `FORMAT`, empty select lists and `CONNECT BY`, which no planner here
//!   takes and which would turn mistakes such as `SELECT FROM t` into odd plans.
//!
//! sqlparser tries some words, `CAST` and `POSITION` among them, as functions of the language and
//! then as plain ones, so that an error inside of many makes it try in vain twice as often for
//! each. The dialect counts the tries and ends them.

use std::{any::TypeId, cell::Cell};

use datafusion::sql::sqlparser::{
    ast::Expr,
    dialect::{Dialect, GenericDialect},
    parser::{Parser, ParserError},
};

/// How many expressions may be tried for each token; a text without errors needs about one.
const TRIES_PER_TOKEN: usize = 100;

/// The dialect of Laminar, for one run of the parser.
#[derive(Debug)]
pub(super) struct LaminarDialect {
    tries_left: Cell<usize>,
}

impl LaminarDialect {
    /// The dialect for a text of so many tokens.
    pub(super) fn new(tokens: usize) -> Self {
        let tries = tokens.saturating_mul(TRIES_PER_TOKEN).saturating_add(10_000);
        Self { tries_left: Cell::new(tries) }
    }
}

macro_rules! supports {
    ($($feature:ident)*) => { $(fn $feature(&self) -> bool { true })* };
}

impl Dialect for LaminarDialect {
    /// sqlparser enables a part of its grammar by the identity of the dialect.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        GenericDialect.is_identifier_part(ch)
    }

    fn parse_prefix(&self, _: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match self.tries_left.get().checked_sub(1) {
            Some(left) => {
                self.tries_left.set(left);
                None
            }
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    supports! {
        supports_table_versioning
        supports_order_by_all

        allow_extract_custom
        allow_extract_single_quotes
        support_map_literal_syntax
        supports_array_join_syntax
        supports_array_typedef_with_brackets
        supports_asc_desc_in_column_definition
        supports_bitwise_shift_operators
        supports_comma_separated_set_assignments
        supports_comma_separated_trim
        supports_comment_on
        supports_constraint_keyword_without_name
        supports_create_index_with_clause
        supports_create_view_comment_syntax
        supports_cte_without_as
        supports_data_type_signed_suffix
        supports_dictionary_syntax
        supports_explain_with_utility_options
        supports_extract_comma_syntax
        supports_filter_during_aggregation
        supports_from_first_select
        supports_group_by_expr
        supports_group_by_with_modifier
        supports_interval_options
        supports_key_column_option
        supports_left_associative_joins_without_parens
        supports_limit_by
        supports_limit_comma
        supports_match_recognize
        supports_named_fn_args_with_assignment_operator
        supports_nested_comments
        supports_parens_around_table_factor
        supports_parenthesized_set_variables
        supports_partition_by_after_order_by
        supports_pipe_operator
        supports_projection_trailing_commas
        supports_quote_delimited_string
        supports_select_item_multi_column_alias
        supports_select_wildcard_except
        supports_select_wildcard_exclude
        supports_select_wildcard_ilike
        supports_select_wildcard_rename
        supports_select_wildcard_replace
        supports_start_transaction_modifier
        supports_string_escape_constant
        supports_struct_literal
        supports_try_convert
        supports_unicode_string_literal
        supports_update_order_by
        supports_values_as_table_factor
        supports_window_clause_named_window_reference
        supports_window_function_null_treatment_arg
    }
}

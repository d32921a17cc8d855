//! The addon of `@laminardb/node`: the safe handles of `laminar-client` for JavaScript.
//!
//! It is private to the package's TypeScript (`ts/native.ts` declares it), which has the public
//! classes, the fast ways of rows and columns, and all that waits for rows or for room. What may take
//! time here answers a promise: pushes and the like are work on libuv's pool, where nothing waits for
//! anything but the engine's own work; queries, which the library runs on threads of its own, are
//! waited for on threads apart ([`threads::Threads`]). Functions of SQL run on JavaScript's thread,
//! which never waits for the engine without serving them ([`calls::Calls`]).
//! Each thread of JavaScript that loads the addon has an [`instance::Instance`] of its own.

mod batch;
mod bytes;
mod calls;
mod columns_in;
mod database;
mod failure;
mod form;
mod from_js;
mod functions;
mod instance;
mod js;
mod query;
mod source;
mod subscription;
mod threads;
mod to_js;
mod wake;
mod work;

use crate::failure::Fallible;
use crate::instance::Instance;
use crate::js::{ARGUMENTS, Env, Export, Function, Js};

const fn export(name: &'static str, function: Function) -> Export {
    Export { name, function }
}

static EXPORTS: &[Export] = &[
    export("setUp", set_up),
    export("versions", versions),
    export("open", database::open),
    export("close", database::close),
    export("closeAll", database::close_all),
    export("start", database::start),
    export("execute", database::execute),
    export("checkpoint", database::checkpoint),
    export("setLog", database::set_log),
    export("explain", database::explain),
    export("query", database::query),
    export("queryNext", query::next),
    export("queryIpc", query::ipc),
    export("queryCancel", query::cancel),
    export("cancelQuery", database::cancel_query),
    export("registerScalar", functions::register_scalar),
    export("registerAggregate", functions::register_aggregate),
    export("noColumns", functions::no_columns),
    export("columns", database::columns),
    export("insert", database::insert),
    export("insertEncoded", database::insert_encoded),
    export("openSource", database::open_source),
    export("sourceClone", source::clone),
    export("sourcePush", source::push),
    export("sourcePushIpc", source::push_ipc),
    export("sourceTryPush", source::try_push),
    export("sourceTryPushRow", source::try_push_row),
    export("sourceOnRoom", source::on_room),
    export("sourceWatermark", source::watermark),
    export("sourceEnd", source::end_of_input),
    export("sourceQueue", source::queue),
    export("sourceClose", source::close),
    export("subscribe", database::subscribe),
    export("poll", subscription::poll),
    export("pollIpc", subscription::poll_ipc),
    export("cancel", subscription::cancel),
    export("lagged", subscription::lagged),
    export("hold", subscription::hold),
    export("release", subscription::release),
    export("pack", columns_in::pack),
    export("fields", batch::fields),
    export("rows", batch::rows),
    export("column", batch::column),
];

/// `setUp(helpers)`, once and before all else: an object of the functions of JavaScript that the
/// addon calls.
fn set_up<'s>(env: Env<'s>, [helpers, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    laminar_client::check_abi()?;
    Instance::set_up(env, helpers)?;
    env.undefined()
}

/// `versions()`: those of the addon and of the library that is loaded.
fn versions<'s>(env: Env<'s>, _: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    let library = laminar_client::version();
    env.record([("addon", env.text(env!("CARGO_PKG_VERSION"))?), ("library", env.text(&library)?)])
}

/// Node calls this when the addon is loaded, once for each thread that loads it.
///
/// # Safety
/// Only Node calls it, on the thread of `env`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(
    env: napi_sys::napi_env,
    exports: napi_sys::napi_value,
) -> napi_sys::napi_value {
    // SAFETY: by the contract.
    let (env, exports) = unsafe {
        let env = Env::new(env);
        (env, env.value(exports))
    };
    for export in EXPORTS {
        let name = env.text(export.name);
        let set = name.and_then(|name| exports.set(name, env.function(export)?));
        if let Err(failure) = set {
            env.throw(failure);
            break;
        }
    }
    exports.raw()
}

/// Node-API 8: all that is used here, and in every Node from 18 on.
#[unsafe(no_mangle)]
pub extern "C" fn node_api_module_get_api_version_v1() -> i32 {
    8
}

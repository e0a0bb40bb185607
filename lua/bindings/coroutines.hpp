#pragma once

#include <lua.hpp>

namespace skysock::lua {

/// Resumes a coroutine of the scheduler that one of our calls suspended, or a new one, with the
/// `count` values on top of its stack. What it gives control back with is settled as
/// skynet/scheduler.lua does: an error is logged, nothing is raised.
/// `L`: the VM's main thread, outside of every coroutine.
void resume(lua_State* L, lua_State* coroutine, int count);

/// Pushes a coroutine for an accepted connection: to be resumed with callback, id and address.
lua_State* push_acceptor(lua_State* L);

/// Runs what was woken or forked meanwhile.
void run_queues(lua_State* L);

/// Adds coroutines(settle, run_queues) and acceptors(body, pool).
void add_coroutine_functions(lua_State* L);

}  // namespace skysock::lua

#pragma once

#include <lua.hpp>

namespace skysock::lua {

/// Resumes a coroutine of the scheduler that one of our calls suspended, or a new one, with the
/// `count` values on top of its stack. What it gives control back with is settled as
/// skynet/scheduler.lua does: an error is logged, nothing is raised.
/// `L`: the VM's main thread, outside of every coroutine.
void resume(lua_State* L, lua_State* coroutine, int count);

/// Pushes a coroutine that is ready for a function and its arguments: from the scheduler's pool, or
/// new.
lua_State* push_idle_coroutine(lua_State* L);

/// Pushes what runs in a coroutine for every accepted connection: f(callback, id, address).
void push_acceptor(lua_State* L);

/// Runs what was woken or forked meanwhile.
void run_queues(lua_State* L);

/// Adds coroutines(pool, create, settle, run_queues): how the scheduler does these things.
void add_coroutine_functions(lua_State* L);

}  // namespace skysock::lua

#pragma once

#include <lua.hpp>

#include "lua/bindings/receive_buffer.hpp"

namespace skysock::lua {

/// Loader of `skynet.socketdriver`: the functions on receive buffers and, when `L` belongs to a
/// Service, those on sockets. Put it into package.preload or give it to luaL_requiref.
int open_socket_driver(lua_State* L);

/// Loader of `skynet.core`: the scheduler's self, now, starttime, timeout, genid, error, fail,
/// exit, callback, counts, stat, and what the functions below add. Requires: `L` belongs to a
/// Service.
int open_core(lua_State* L);

/// Adds send, redirect, tostring, trash to the table on top.
/// Requires at their call: `L` belongs to a Service.
void add_message_functions(lua_State* L);

/// Adds query, name, launch, kill, abort, getenv, setenv, monitor, services, lualib to the table on
/// top. Requires at their call: `L` belongs to a Service.
void add_node_functions(lua_State* L);

/// Adds the functions on receive buffers to the table on top of the stack: buffer, push, pop, drop,
/// readall, clear, readline. They need no Service.
void add_buffer_functions(lua_State* L);

/// Adds connect, listen, start, send, lsend, close, shutdown, unpack to the table on top.
/// Requires at their call: `L` belongs to a Service.
void add_socket_functions(lua_State* L);

}  // namespace skysock::lua

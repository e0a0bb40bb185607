#pragma once

#include <lua.hpp>

#include "lua/bindings/receive_buffer.hpp"

namespace skysock::lua {

/// Loader of `skynet.socketdriver`: the functions on receive buffers and, when `L` belongs to a
/// Service, those on sockets. Put it into package.preload or give it to luaL_requiref.
int open_socket_driver(lua_State* L);

/// Loader of `skynet.core`: the scheduler's self, now, hpc, starttime, timeout, genid, error,
/// fail, exit, callback, counts, stat, and what the functions below add. Requires: `L` belongs to a
/// Service.
int open_core(lua_State* L);

/// Adds send, redirect, tostring, trash to the table on top.
/// Requires at their call: `L` belongs to a Service.
void add_message_functions(lua_State* L);

/// Adds query, name, launch, kill, abort, getenv, setenv, monitor, services, lualib to the table on
/// top. Requires at their call: `L` belongs to a Service.
void add_node_functions(lua_State* L);

/// Each of these adds functions to the table on top of the stack; the first ones need no Service.
/// buffer, push, pop, drop, readall, clear, size, readline, text, str2p, header.
void add_buffer_functions(lua_State* L);
/// entries, stream, waiting, waiter, surplus: the entries of skynet.socket. Once per VM.
void add_stream_functions(lua_State* L);
/// read_call, readline_call, start_call, close_call, which make those functions.
void add_stream_calls(lua_State* L);
/// connect, listen, bind, start, pause, hand_over, give_back, close, shutdown, unpack.
void add_socket_functions(lua_State* L);
/// check_option, set_option, nodelay.
void add_option_functions(lua_State* L);
/// send, lsend.
void add_send_functions(lua_State* L);
/// udp, udp_listen, udp_dial, udp_connect, udp_send, udp_address.
void add_datagram_functions(lua_State* L);
/// info, resolve, lookup.
void add_lookup_functions(lua_State* L);

}  // namespace skysock::lua

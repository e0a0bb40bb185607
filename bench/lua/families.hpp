#pragma once

// The families of the Lua layer, which register_lua() of harness.hpp registers.

namespace skysock::bench {

void register_lua_buffer();
void register_lua_call();
void register_lua_coroutine();
void register_lua_dispatch();
void register_lua_netpack();
void register_lua_seri();
void register_lua_unpack();

}  // namespace skysock::bench

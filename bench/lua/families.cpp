#include "bench/lua/families.hpp"

#include "bench/harness.hpp"

namespace skysock::bench {

void register_lua() {
  register_lua_unpack();
  register_lua_dispatch();
  register_lua_coroutine();
  register_lua_buffer();
  register_lua_seri();
  register_lua_netpack();
  register_lua_call();
}

}  // namespace skysock::bench

// The part of skynet.socketdriver that sets options of one socket. Times are in 1/100 s, as
// everywhere in skynet.

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "lua/bindings/caller.hpp"
#include "lua/bindings/driver_arguments.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

/// What a program writes for a value.
enum class Form : unsigned char {
  flag,     ///< A boolean.
  count,    ///< An integer.
  time_ms,  ///< 1/100 s, for what the server counts in ms.
  time_s,   ///< 1/100 s, rounded up, for what the kernel counts in seconds.
  policy    ///< "refuse" or "abort".
};

struct Option {
  std::string_view name;
  ConnectionOption option;
  Form form;
};

constexpr std::array kOptions = {
    Option{"nodelay", ConnectionOption::nodelay, Form::flag},
    Option{"keepalive", ConnectionOption::keepalive, Form::flag},
    Option{"keepalive_idle", ConnectionOption::keepalive_idle_s, Form::time_s},
    Option{"keepalive_interval", ConnectionOption::keepalive_interval_s, Form::time_s},
    Option{"keepalive_count", ConnectionOption::keepalive_count, Form::count},
    Option{"send_buffer", ConnectionOption::send_buffer_bytes, Form::count},
    Option{"receive_buffer", ConnectionOption::receive_buffer_bytes, Form::count},
    Option{"connect_timeout", ConnectionOption::connect_timeout_ms, Form::time_ms},
    Option{"idle_timeout", ConnectionOption::idle_timeout_ms, Form::time_ms},
    Option{"send_limit", ConnectionOption::output_limit_bytes, Form::count},
    Option{"send_limit_policy", ConnectionOption::output_limit_policy, Form::policy},
};
static_assert(kOptions.size() == kConnectionOptionCount);

const Option& check_option(lua_State* L, int index) {
  std::size_t size = 0;
  const char* text = check_text_at_caller(L, index, &size);
  for (const Option& option : kOptions) {
    if (option.name == std::string_view(text, size)) return option;
  }
  raise_at_caller(L, lua_pushfstring(L, "no option is called '%s'", text));
  return kOptions.front();  // raise_at_caller does not return.
}

void raise_value(lua_State* L, const Option& option, const char* text) {
  raise_at_caller(L, lua_pushfstring(L, "option %s: %s", option.name.data(), text));
}

// Raises for what is no integer, naming the option; a float that is one will do.
lua_Integer to_integer(lua_State* L, int index, const Option& option) {
  int is_integer = 0;
  const lua_Integer value = lua_tointegerx(L, index, &is_integer);
  if (is_integer == 0 || lua_type(L, index) != LUA_TNUMBER) {
    raise_value(L, option, lua_pushfstring(L, "integer expected, got %s", luaL_typename(L, index)));
  }
  return value;
}

std::int64_t in_the_servers_unit(lua_State* L, int index, const Option& option) {
  switch (option.form) {
    case Form::flag:
      if (!lua_isboolean(L, index)) raise_value(L, option, "boolean expected");
      return lua_toboolean(L, index);
    case Form::count:
      return to_integer(L, index, option);
    case Form::time_ms: {
      const lua_Integer time = to_integer(L, index, option);
      constexpr lua_Integer kMax = std::numeric_limits<std::int32_t>::max() / 10;
      return time >= 0 && time <= kMax ? time * 10 : -1;
    }
    case Form::time_s: {
      const lua_Integer time = to_integer(L, index, option);
      return time / 100 + (time % 100 > 0 ? 1 : 0);
    }
    case Form::policy: {
      const char* text = lua_tostring(L, index);
      const std::string_view name = text == nullptr ? "" : text;
      if (name != "refuse" && name != "abort") {
        raise_value(L, option, "\"refuse\" or \"abort\" expected");
      }
      return name == "abort" ? 1 : 0;
    }
  }
  return -1;
}

// The value at `index` for the option named before it; raises unless a socket takes it.
std::int64_t check_value(lua_State* L, int index, const Option& option) {
  const std::int64_t value = in_the_servers_unit(L, index, option);
  if (!takes(option.option, value)) {
    raise_value(L, option, "value out of range");
  }
  return value;
}

bool set(Service& service, SocketId id, ConnectionOption option, std::int64_t value) noexcept {
  return service.runtime().sockets().set_option(id, option, value).has_value();
}

// check_option(name, value): raises for an unknown name or a value that no socket takes.
int option_check(lua_State* L) {
  check_value(L, 2, check_option(L, 1));
  return 0;
}

// set_option(id, name, value) -> given. Silent when the socket does not have that option.
int option_set(lua_State* L) {
  const SocketId id = check_id(L, 1);
  const Option& option = check_option(L, 2);
  const std::int64_t value = check_value(L, 3, option);
  lua_pushboolean(L, set(Service::of(L), id, option.option, value));
  return 1;
}

// nodelay(id): sends small messages at once, whatever the tuning says.
int option_nodelay(lua_State* L) {
  lua_pushboolean(L, set(Service::of(L), check_id(L, 1), ConnectionOption::nodelay, 1));
  return 1;
}

}  // namespace

void add_option_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"check_option", option_check},
                                            {"set_option", option_set},
                                            {"nodelay", option_nodelay},
                                            {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua

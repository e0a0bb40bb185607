#include "lua/bindings/service.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <string_view>
#include <utility>

#include "core/base/check.hpp"
#include "lua/bindings/coroutines.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/netpack.hpp"
#include "lua/bindings/stream.hpp"
#include "lua/bindings/stream_events.hpp"

namespace skysock::lua {
namespace {

// The stack of the main Lua thread, below everything else.
constexpr int kTracebackIndex = 1;
constexpr int kEntriesIndex = 2;
constexpr int kStackBase = kEntriesIndex;

// As the program lua does: an error object with a text of its own says all there is to say.
int add_traceback(lua_State* L) {
  const bool is_text = lua_type(L, 1) == LUA_TSTRING;
  const bool complete = !is_text && luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL;
  const char* text = luaL_tolstring(L, 1, nullptr);
  if (!complete) luaL_traceback(L, L, text, 1);
  return 1;
}

// Runs protected: everything here may raise for lack of memory. Argument: package.path.
int open_modules(lua_State* L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_core);
  lua_setfield(L, -2, "skynet.core");
  lua_pushcfunction(L, open_socket_driver);
  lua_setfield(L, -2, "skynet.socketdriver");
  lua_pushcfunction(L, open_netpack);
  lua_setfield(L, -2, "skynet.netpack");
  lua_getglobal(L, "package");
  lua_pushstring(L, static_cast<const char*>(lua_touserdata(L, 1)));
  lua_setfield(L, -2, "path");
  lua_pushliteral(L, "");  // Our C modules are linked in; the loader adds those of a configuration.
  lua_setfield(L, -2, "cpath");
  return 0;
}

// Whether a chunk that raised this took itself for a configuration.
bool misses_include(std::string_view error) {
  return error.find("attempt to call a nil value (global 'include')") != std::string_view::npos;
}

// Whether a chunk left what a configuration consists of: texts or numbers under the names of keys.
bool left_settings(lua_State* L) {
  lua_pushglobaltable(L);
  bool found = false;
  for (const char* key : {"start", "thread", "luaservice", "lua_path"}) {
    lua_pushstring(L, key);
    const int type = lua_rawget(L, -2);  // Raw: a script may guard its globals.
    found = found || type == LUA_TSTRING || type == LUA_TNUMBER;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return found;
}

// Memory for Lua to own: what it sends on is freed with free().
void* copy_for_lua(std::span<const std::byte> bytes) noexcept {
  void* copy = std::malloc(std::max<std::size_t>(bytes.size(), 1));
  SKYSOCK_CHECK(copy != nullptr);
  std::ranges::copy(bytes, static_cast<std::byte*>(copy));
  return copy;
}

}  // namespace

Service::Service(std::shared_ptr<Node> node, ServiceHandle self, Script script)
    : node_(std::move(node)), self_(self), script_(std::move(script)), lua_(luaL_newstate()) {
  SKYSOCK_CHECK(lua_ != nullptr);
  static_assert(LUA_EXTRASPACE >= sizeof(Service*));
  *static_cast<Service**>(lua_getextraspace(lua_)) = this;
  lua_warning(lua_, "@on", 0);  // An error in a finaliser is at least printed.
  lua_pushcfunction(lua_, add_traceback);
  push_new_entries(lua_);
  const std::string path = fmt::format("{0}/?.lua;{0}/?/init.lua", node_->lualib());
  lua_pushcfunction(lua_, open_modules);
  lua_pushlightuserdata(lua_, const_cast<char*>(path.c_str()));
  SKYSOCK_CHECK(lua_pcall(lua_, 1, 0, kTracebackIndex) == LUA_OK);
}

Service::~Service() {
  lua_close(lua_);
  node_->report_end(self_);
}

Service& Service::of(lua_State* L) {
  Service* service = *static_cast<Service**>(lua_getextraspace(L));
  SKYSOCK_CHECK(service != nullptr);
  return *service;
}

void Service::handle(Message&& message) {
  if (retired_) return;
  current_ = &message;
  ++handled_;
  if (std::exchange(started_, true)) {
    dispatch();
  } else {
    run_script();
  }
  lua_settop(lua_, kStackBase);
  current_ = nullptr;
}

void Service::run_script() {
  const std::string loader = node_->lualib() + "/skynet/loader.lua";
  int status = luaL_loadfile(lua_, loader.c_str());
  if (status == LUA_OK) {
    const auto count = static_cast<int>(script_.arguments.size());
    if (lua_checkstack(lua_, count + LUA_MINSTACK) == 0) return fail("too many arguments");
    lua_pushlstring(lua_, script_.name.data(), script_.name.size());
    lua_pushlstring(lua_, script_.path.data(), script_.path.size());
    lua_pushlstring(lua_, script_.remark.data(), script_.remark.size());
    for (const std::string& argument : script_.arguments) {
      lua_pushlstring(lua_, argument.data(), argument.size());
    }
    status = lua_pcall(lua_, count + 3, 0, kTracebackIndex);
  }
  const bool is_program = node_->first() == self_ && !script_.path.empty();
  if (status != LUA_OK) {
    const char* text = lua_tostring(lua_, -1);
    if (is_program && text != nullptr && misses_include(text)) return reject_configuration();
    return fail(text);
  }
  if (lua_rawgetp(lua_, LUA_REGISTRYINDEX, this) == LUA_TFUNCTION) return;
  if (is_program && left_settings(lua_)) return reject_configuration();
  retire();
}

// A configuration is Lua, too: run as a script it does nothing, and nobody would know why.
void Service::reject_configuration() {
  node_->set_no_script();
  fail(fmt::format("{0} looks like a configuration, not like a script: skysock --config {0} starts "
                   "what it says",
                   script_.path)
           .c_str());
}

void Service::dispatch() {
  if (auto* message = std::get_if<SocketMessage>(&current_->payload);
      message != nullptr && !sees_sockets_ && handle_stream_event(lua_, kEntriesIndex, *message)) {
    if (std::exchange(queued_, false)) run_queues(lua_);
    return;
  }
  queued_ = false;  // What is queued runs before the function returns.
  if (lua_rawgetp(lua_, LUA_REGISTRYINDEX, this) != LUA_TFUNCTION) return;
  lua_pushinteger(lua_, static_cast<lua_Integer>(current_->type));
  push_bytes();
  lua_pushinteger(lua_, current_->session);
  lua_pushinteger(lua_, current_->source);
  if (lua_pcall(lua_, 5, 0, kTracebackIndex) == LUA_OK) return;
  // Coroutines that the message woke have not run yet; and the error is to be logged.
  lua_rawgetp(lua_, LUA_REGISTRYINDEX, this);
  lua_insert(lua_, -2);
  lua_pushnil(lua_);
  lua_insert(lua_, -2);
  if (lua_pcall(lua_, 2, 0, kTracebackIndex) == LUA_OK) return;
  std::size_t size = 0;
  const char* text = lua_tolstring(lua_, -1, &size);
  log(text, size);
}

// The bytes of the current message and their number; nil, nil when it has another kind of payload.
void Service::push_bytes() {
  Block* block = std::get_if<Block>(&current_->payload);
  if (block == nullptr) {
    lua_pushnil(lua_);
    lua_pushnil(lua_);
    return;
  }
  lua_pushlightuserdata(lua_,
                        bytes_are_luas_ ? copy_for_lua(block->bytes()) : block->bytes().data());
  lua_pushinteger(lua_, static_cast<lua_Integer>(block->size()));
}

Session Service::next_session() {
  session_ = session_ == std::numeric_limits<Session>::max() ? 1 : session_ + 1;
  return session_;
}

void Service::retire() noexcept {
  retired_ = true;
  runtime().retire(self_);
}

void Service::fail(const char* text) noexcept {
  const std::string_view reason = text == nullptr ? "(no text)" : text;
  if (node_->first() == self_) {
    write_all(STDERR_FILENO, fmt::format("skysock: error: {}\n", reason));
    node_->set_failed();
    runtime().request_stop();
  } else {
    const std::string line = fmt::format("service {} failed: {}", script_.name, reason);
    log(line.data(), line.size());
  }
  retire();
}

// NOLINTNEXTLINE(bugprone-exception-escape): no memory for the line ends the process.
void Service::log(const char* text, std::size_t size) const noexcept {
  using std::chrono::milliseconds;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<milliseconds>(now).count();
  fmt::memory_buffer line;
  fmt::format_to(std::back_inserter(line), "{:%FT%T}.{:03}Z [:{:08x}] {}\n",
                 fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000, self_,
                 std::string_view(text, size));
  node_->log().write({line.data(), line.size()});
}

}  // namespace skysock::lua

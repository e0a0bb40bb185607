#include "lua/bindings/service.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <limits>
#include <string_view>
#include <utility>

#include "core/base/check.hpp"
#include "lua/bindings/modules.hpp"

namespace skysock::lua {
namespace {

// The stack of the main Lua thread, below everything else.
constexpr int kTracebackIndex = 1;
constexpr int kStackBase = kTracebackIndex;

// As the program lua does: an error object with a text of its own says all there is to say.
int add_traceback(lua_State* L) {
  const bool is_text = lua_type(L, 1) == LUA_TSTRING;
  const bool complete = !is_text && luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL;
  const char* text = luaL_tolstring(L, 1, nullptr);
  if (!complete) luaL_traceback(L, L, text, 1);
  return 1;
}

// Runs protected: everything here may raise for lack of memory. Argument: const Script*.
int open_modules(lua_State* L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_core);
  lua_setfield(L, -2, "skynet.core");
  lua_pushcfunction(L, open_socket_driver);
  lua_setfield(L, -2, "skynet.socketdriver");
  lua_getglobal(L, "package");
  lua_pushstring(L, static_cast<const char*>(lua_touserdata(L, 1)));
  lua_setfield(L, -2, "path");
  lua_pushliteral(L, "");  // Our C modules are linked in, and a script cannot load others.
  lua_setfield(L, -2, "cpath");
  return 0;
}

std::string package_path(const Script& script) {
  const std::string own = std::filesystem::path(script.path).parent_path().string();
  return fmt::format("{0}/?.lua;{0}/?/init.lua;{1}/?.lua", script.lualib, own.empty() ? "." : own);
}

void write_all(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;  // Nobody to tell.
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

Service::Service(Runtime& runtime, ServiceHandle self, Script script, std::atomic<bool>& failed)
    : runtime_(runtime),
      self_(self),
      script_(std::move(script)),
      failed_(failed),
      lua_(luaL_newstate()) {
  SKYSOCK_CHECK(lua_ != nullptr);
  static_assert(LUA_EXTRASPACE >= sizeof(Service*));
  *static_cast<Service**>(lua_getextraspace(lua_)) = this;
  lua_warning(lua_, "@on", 0);  // An error in a finaliser is at least printed.
  lua_pushcfunction(lua_, add_traceback);
  const std::string path = package_path(script_);
  lua_pushcfunction(lua_, open_modules);
  lua_pushlightuserdata(lua_, const_cast<char*>(path.c_str()));
  SKYSOCK_CHECK(lua_pcall(lua_, 1, 0, kTracebackIndex) == LUA_OK);
}

Service::~Service() { lua_close(lua_); }

Service& Service::of(lua_State* L) {
  Service* service = *static_cast<Service**>(lua_getextraspace(L));
  SKYSOCK_CHECK(service != nullptr);
  return *service;
}

void Service::handle(Message&& message) {
  if (retired_) return;
  current_ = &message;
  if (std::exchange(started_, true)) {
    dispatch();
  } else {
    run_script();
  }
  lua_settop(lua_, kStackBase);
  current_ = nullptr;
}

void Service::run_script() {
  int status = luaL_loadfile(lua_, script_.path.c_str());
  if (status == LUA_OK) {
    const auto count = static_cast<int>(script_.arguments.size());
    if (lua_checkstack(lua_, count + LUA_MINSTACK) == 0) return fail("too many arguments");
    for (const std::string& argument : script_.arguments) {
      lua_pushlstring(lua_, argument.data(), argument.size());
    }
    status = lua_pcall(lua_, count, 0, kTracebackIndex);
  }
  if (status != LUA_OK) return fail(lua_tostring(lua_, -1));
  if (lua_rawgetp(lua_, LUA_REGISTRYINDEX, this) != LUA_TFUNCTION) retire();
}

void Service::dispatch() {
  if (lua_rawgetp(lua_, LUA_REGISTRYINDEX, this) != LUA_TFUNCTION) return;
  lua_pushinteger(lua_, static_cast<lua_Integer>(current_->type));
  lua_pushinteger(lua_, current_->session);
  lua_pushinteger(lua_, current_->source);
  if (lua_pcall(lua_, 3, 0, kTracebackIndex) == LUA_OK) return;
  std::size_t size = 0;
  const char* text = lua_tolstring(lua_, -1, &size);
  log(text, size);
}

Session Service::next_session() {
  session_ = session_ == std::numeric_limits<Session>::max() ? 1 : session_ + 1;
  return session_;
}

void Service::retire() noexcept {
  retired_ = true;
  runtime_.retire(self_);
}

void Service::fail(const char* text) noexcept {
  write_all(fmt::format("skysock: error: {}\n", text == nullptr ? "(no text)" : text));
  failed_.store(true);
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
  write_all({line.data(), line.size()});
}

HandlerFactory service_factory(Runtime& runtime, Script script, std::atomic<bool>& failed) {
  return [&runtime, script = std::move(script), &failed](ServiceHandle self) -> MessageHandler {
    auto service = std::make_unique<Service>(runtime, self, script, failed);
    return
        [service = std::move(service)](Message&& message) { service->handle(std::move(message)); };
  };
}

}  // namespace skysock::lua

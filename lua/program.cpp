#include "lua/program.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <lua.hpp>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>

#include "core/base/check.hpp"

namespace skysock::lua {
namespace {

namespace fs = std::filesystem;

// Why this is no file that can be read; "": it is one.
std::string why_unreadable(const std::string& path) {
  std::error_code error;
  const auto kind = fs::status(path, error).type();
  if (error) return error.message();
  if (kind == fs::file_type::directory) {
    return std::make_error_code(std::errc::is_a_directory).message();
  }
  if (kind != fs::file_type::regular) return "not a regular file";
  if (::access(path.c_str(), R_OK) == 0) return "";
  return std::error_code(errno, std::generic_category()).message();
}

// Where our own services and examples are found, after those of the program. The folder above is
// named as it is: these patterns get into errors.
std::string with_own_services(const std::string& luaservice, const std::string& lualib) {
  std::error_code error;
  const fs::path above = fs::canonical(lualib + "/..", error);
  const std::string ours = error ? lualib + "/.." : above.string();
  return fmt::format("{0};{1}/service/?.lua;{1}/examples/?.lua", luaservice, ours);
}

Program program_of_script(const std::vector<std::string>& rest, const std::string& lualib) {
  const fs::path path = rest.front();
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  Program program;
  program.script = {.name = path.stem().string(),
                    .path = path.string(),
                    .arguments = {rest.begin() + 1, rest.end()}};
  program.node.settings = {{"start", program.script.name},
                           {"lua_path", folder + "/?.lua"},
                           {"luaservice", with_own_services(folder + "/?.lua", lualib)}};
  return program;
}

// The table at `index` of the stack, whose keys and values are strings.
Node::Settings settings_at(lua_State* L, int index) {
  Node::Settings settings;
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    settings.emplace(lua_tostring(L, -2), lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  return settings;
}

// The first words of `start` are the first service and its arguments.
Script first_service(const std::string& start) {
  std::istringstream words(start);
  Script script;
  words >> script.name;
  for (std::string word; words >> word;) script.arguments.push_back(std::move(word));
  return script;
}

Program program_of_settings(Node::Settings settings, const std::string& lualib) {
  Program program;
  const bool start_is_default = settings.try_emplace("start", "main").second;
  settings.try_emplace("lua_path", "./?.lua;./lualib/?.lua;./lualib/?/init.lua");
  settings.try_emplace("luaservice", "./service/?.lua;./?.lua");
  settings["luaservice"] = with_own_services(settings["luaservice"], lualib);
  program.script = first_service(settings["start"]);
  if (start_is_default) {
    program.script.remark = "the configuration names no start: main is the default";
  }
  if (const auto thread = settings.find("thread"); thread != settings.end()) {
    program.tuning = "workers=" + thread->second;
  }
  if (const auto logger = settings.find("logger"); logger != settings.end()) {
    program.node.log_file = logger->second;
  }
  program.node.settings = std::move(settings);
  return program;
}

std::expected<Program, std::string> program_of_config(const std::string& path,
                                                      const std::string& lualib) {
  const std::unique_ptr<lua_State, void (*)(lua_State*)> vm(luaL_newstate(), lua_close);
  SKYSOCK_CHECK(vm != nullptr);
  lua_State* L = vm.get();
  luaL_openlibs(L);
  const bool loaded = luaL_loadfile(L, (lualib + "/skynet/config.lua").c_str()) == LUA_OK;
  lua_pushstring(L, path.c_str());
  if (!loaded || lua_pcall(L, 1, 2, 0) != LUA_OK) {
    const char* text = lua_tostring(L, loaded ? -1 : -2);
    return std::unexpected(std::string(text == nullptr ? "error without text" : text));
  }
  Program program = program_of_settings(settings_at(L, 1), lualib);
  if (const std::string ignored = lua_tostring(L, 2); !ignored.empty()) {
    program.warning = fmt::format("{}: without a meaning here: {}", path, ignored);
  }
  return program;
}

}  // namespace

std::expected<Program, std::string> parse_program(const std::string& config,
                                                  const std::vector<std::string>& rest,
                                                  const std::string& lualib) {
  if (config.empty() && rest.empty()) return std::unexpected("SCRIPT.lua or CONFIG expected");
  const std::string& path = config.empty() ? rest.front() : config;
  const bool is_script = config.empty() && path.ends_with(".lua");
  if (const std::string reason = why_unreadable(path); !reason.empty()) {
    return std::unexpected(
        fmt::format("cannot read {} {}: {}", is_script ? "script" : "configuration", path, reason));
  }
  std::error_code error;
  if (!fs::is_regular_file(lualib + "/skynet.lua", error)) {
    return std::unexpected(fmt::format("no skynet.lua in {} (see --lualib)", lualib));
  }
  const std::size_t taken = config.empty() ? 1 : 0;
  if (!is_script && rest.size() > taken) {
    return std::unexpected(
        fmt::format("unexpected '{}' after the configuration {}", rest[taken], path));
  }
  auto program = is_script ? program_of_script(rest, lualib) : program_of_config(path, lualib);
  if (program) program->node.lualib = lualib;
  return program;
}

}  // namespace skysock::lua

#include "lua/bindings/node.hpp"

#include <charconv>
#include <sstream>
#include <utility>

#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

constexpr std::string_view kLauncherName = ".launcher";

ServiceHandle parse_handle(std::string_view digits) {
  ServiceHandle handle = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, handle, 16);
  return error == std::errc() && stop == end ? handle : 0;
}

}  // namespace

Node::Node(Runtime& runtime, Options options)
    : runtime_(runtime),
      lookup_(runtime),
      lualib_(std::move(options.lualib)),
      log_(options.log_fd, std::move(options.log_file)),
      settings_(std::move(options.settings)) {}

ServiceHandle Node::spawn(Script script) {
  const std::string name = script.path.empty() ? script.name : script.path;
  return runtime_.spawn(
      name, [node = shared_from_this(), script = std::move(script)](ServiceHandle self) {
        auto service = std::make_unique<Service>(node, self, script);
        return MessageHandler([service = std::move(service)](Message&& message) {
          service->handle(std::move(message));
        });
      });
}

ServiceHandle Node::spawn_first(Script script) {
  const ServiceHandle handle = spawn(std::move(script));
  first_.store(handle);
  return handle;
}

ServiceHandle Node::launch(Script script) {
  const ServiceHandle handle = spawn(std::move(script));
  if (handle != 0) start(handle);
  return handle;
}

// NOLINTNEXTLINE(bugprone-exception-escape): only for lack of memory.
ServiceHandle Node::launch_words(std::string_view text) noexcept {
  std::istringstream words{std::string(text)};
  Script script;
  if (!(words >> script.name)) return 0;
  for (std::string word; words >> word;) script.arguments.push_back(std::move(word));
  return launch(std::move(script));
}

void Node::start(ServiceHandle service) {
  runtime_.post(service, Message{.type = MessageType::system, .payload = {}});
}

ServiceHandle Node::launcher() {
  const std::lock_guard lock(launcher_mutex_);
  if (const ServiceHandle handle = runtime_.query(kLauncherName); handle != 0) return handle;
  const ServiceHandle handle =
      spawn({.name = "launcher", .path = lualib_ + "/../service/launcher.lua", .arguments = {}});
  // Named before it runs: whoever it launches will look for it.
  if (handle == 0 || !runtime_.name(handle, kLauncherName)) return 0;
  start(handle);
  return handle;
}

// NOLINTNEXTLINE(bugprone-exception-escape): only for lack of memory.
ServiceHandle Node::resolve(std::string_view text) noexcept {
  if (text.starts_with(':')) return parse_handle(text.substr(1));
  const ServiceHandle handle = runtime_.query(text);
  return handle == 0 && text == kLauncherName ? launcher() : handle;
}

std::optional<std::string_view> Node::setting(std::string_view key) const noexcept {
  const std::lock_guard lock(settings_mutex_);
  const auto found = settings_.find(key);
  if (found == settings_.end()) return std::nullopt;
  return found->second;
}

// NOLINTNEXTLINE(bugprone-exception-escape): only for lack of memory.
bool Node::set(std::string_view key, std::string_view value) noexcept {
  const std::lock_guard lock(settings_mutex_);
  return settings_.emplace(key, value).second;
}

// NOLINTNEXTLINE(bugprone-exception-escape): only for lack of memory.
void Node::report_end(ServiceHandle service) noexcept {
  if (const ServiceHandle launcher = runtime_.query(kLauncherName); launcher != 0) {
    runtime_.post(launcher, Message{.type = MessageType::text,
                                    .source = service,
                                    .payload = Block::copy_of(std::string_view("END"))});
  }
  if (const ServiceHandle monitor = monitor_.load(); monitor != 0) {
    runtime_.post(monitor, Message{.type = MessageType::client, .source = service, .payload = {}});
  }
}

}  // namespace skysock::lua

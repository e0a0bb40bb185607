#pragma once

#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/service/runtime.hpp"
#include "lua/bindings/log.hpp"
#include "lua/bindings/name_lookup.hpp"

namespace skysock::lua {

/// What a service runs.
struct Script {
  std::string name;  ///< The global SERVICE_NAME.
  std::string path;  ///< Its file; "": looked for through the setting `luaservice`.
  std::vector<std::string> arguments;
  std::string remark = {};  ///< "", or why it has this name: said when no script of it is found.
};

/// What the Lua services of one node share: settings, the log, the launcher, and whether the node
/// failed. Thread safe. Services keep it alive; the runtime must outlive them.
class Node : public std::enable_shared_from_this<Node> {
 public:
  using Settings = std::map<std::string, std::string, std::less<>>;

  struct Options {
    std::string lualib;  ///< Directory of skynet.lua; the services of our own are beside it.
    Settings settings;
    int log_fd = STDERR_FILENO;  ///< What Log::open(log_file) gave.
    std::string log_file = {};
  };

  static std::shared_ptr<Node> make(Runtime& runtime, Options options) {
    return std::shared_ptr<Node>(new Node(runtime, std::move(options)));
  }

  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] Runtime& runtime() { return runtime_; }
  [[nodiscard]] NameLookup& lookup() { return lookup_; }
  [[nodiscard]] const std::string& lualib() const { return lualib_; }
  [[nodiscard]] Log& log() { return log_; }

  /// Makes the first service of the node, whose failure is the node's. start() lets it run.
  ServiceHandle spawn_first(Script script);
  /// Makes a service and lets it run. Returns 0 once the runtime stops.
  ServiceHandle launch(Script script);
  /// The same, from the words of `text`: its name, then its arguments. Returns 0 for no word, too.
  ServiceHandle launch_words(std::string_view text) noexcept;
  /// Lets a service that was made run its script.
  void start(ServiceHandle service);

  [[nodiscard]] ServiceHandle first() const { return first_.load(); }

  /// The service called `text`: a name that was given to it, or ":" and its handle in hexadecimal
  /// digits; 0 when there is none. The launcher is made when it is asked for.
  ServiceHandle resolve(std::string_view text) noexcept;

  /// The value of a setting, valid as long as this lives: settings are never changed.
  [[nodiscard]] std::optional<std::string_view> setting(std::string_view key) const noexcept;
  /// False when it is set already.
  bool set(std::string_view key, std::string_view value) noexcept;

  /// Who hears of every service that ends; 0: nobody. Source: skynet.monitor().
  void set_monitor(ServiceHandle service) { monitor_.store(service); }
  /// Tells the launcher and the monitor, if there are, that `service` is gone.
  void report_end(ServiceHandle service) noexcept;

  /// Whether the first service ended with an error.
  [[nodiscard]] bool failed() const { return failed_.load(); }
  void set_failed() { failed_.store(true); }
  /// Whether it failed because its file is no script.
  [[nodiscard]] bool has_no_script() const { return has_no_script_.load(); }
  void set_no_script() { has_no_script_.store(true); }

 private:
  Node(Runtime& runtime, Options options);

  ServiceHandle spawn(Script script);
  ServiceHandle launcher();

  Runtime& runtime_;
  NameLookup lookup_;
  const std::string lualib_;
  Log log_;
  mutable std::mutex settings_mutex_;
  Settings settings_;
  std::mutex launcher_mutex_;  ///< One launcher at most is being made.
  std::atomic<ServiceHandle> first_{0};
  std::atomic<ServiceHandle> monitor_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> has_no_script_{false};
};

}  // namespace skysock::lua

#include "bench/lua/node.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <utility>
#include <variant>

#include "bench/settings.hpp"

namespace skysock::bench {
namespace {

constexpr Session kSession = 1;
constexpr std::chrono::seconds kAnswerLimit{10};
constexpr const char* kFailed =
    "a Lua service of the benchmark failed or ended; its log is on standard error";

load::Outcome<std::string> text_of(const Message& answer) {
  const auto* block = std::get_if<Block>(&answer.payload);
  if (answer.type == MessageType::response && block != nullptr) return std::string(block->text());
  return std::unexpected(kFailed);
}

}  // namespace

load::Outcome<std::unique_ptr<LuaNode>> LuaNode::start() {
  std::unique_ptr<LuaNode> node(new LuaNode());
  node->folder_ = settings().source_dir + "/bench/lua";
  const std::string lualib = settings().source_dir + "/lua/lualib";
  for (const std::string& file : {lualib + "/skynet.lua", node->folder_ + "/answers.lua"}) {
    if (::access(file.c_str(), R_OK) == 0) continue;
    return std::unexpected(fmt::format("cannot read {} (see --source-dir)", file));
  }
  auto runtime = Runtime::start({.workers = 0});
  if (!runtime) return std::unexpected("cannot start a node: " + runtime.error().message());
  node->runtime_ = std::move(*runtime);
  const std::string pattern = node->folder_ + "/?.lua";
  node->node_ = lua::Node::make(
      *node->runtime_,
      {.lualib = lualib, .settings = {{"lua_path", pattern}, {"luaservice", pattern}}});
  node->asker_ = node->spawn_inbox(true);
  return node;
}

// The service's end may still ask the node for something; the others end before the inbox.
LuaNode::~LuaNode() {
  stepped_.reset();
  if (!runtime_) return;
  node_->lookup().stop();
  runtime_->stop();
}

ServiceHandle LuaNode::spawn_inbox(bool for_answers) {
  return runtime_->spawn("inbox", [this, for_answers](ServiceHandle) -> MessageHandler {
    return [this, for_answers](Message&& message) {
      const std::lock_guard lock(mutex_);
      letters_.push_back({.is_answer = for_answers, .message = std::move(message)});
      arrived_.notify_one();
    };
  });
}

lua::Script LuaNode::script(const std::string& name) const {
  return {.name = name, .path = folder_ + "/" + name + ".lua", .arguments = {}};
}

load::Outcome<ServiceHandle> LuaNode::launch(const std::string& name) {
  const ServiceHandle handle = node_->launch(script(name));
  if (handle == 0) return std::unexpected("the node does not take service " + name);
  return handle;
}

load::Outcome<ServiceHandle> LuaNode::launch_stepped(const std::string& name) {
  const ServiceHandle handle = spawn_inbox(false);
  if (handle == 0) return std::unexpected("the node does not take service " + name);
  stepped_ = std::make_unique<lua::Service>(node_, handle, script(name));
  step({.type = MessageType::system, .payload = {}});  // Runs the script.
  return handle;
}

std::optional<LuaNode::Letter> LuaNode::take_letter(
    std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_until(lock, deadline, [this] { return !letters_.empty(); })) return {};
  Letter letter = std::move(letters_.front());
  letters_.pop_front();
  return letter;
}

load::Outcome<std::string> LuaNode::ask(ServiceHandle service, std::string_view question) {
  const bool lives = runtime_->post(service, {.type = MessageType::text,
                                              .session = kSession,
                                              .source = asker_,
                                              .payload = Block::copy_of(question)});
  if (!lives) return std::unexpected(kFailed);
  const auto deadline = std::chrono::steady_clock::now() + kAnswerLimit;
  while (auto letter = take_letter(deadline)) {
    if (letter->is_answer) return text_of(letter->message);
    step(std::move(letter->message));
  }
  return std::unexpected(
      fmt::format("no answer to '{}' within {} s", question, kAnswerLimit.count()));
}

load::Outcome<double> LuaNode::count_garbage(ServiceHandle service, std::int64_t operations,
                                             const std::function<void()>& work) {
  double made = 0;
  for (const bool works : {false, true}) {  // The questions make garbage, too.
    const auto kept = ask(service, "keep_garbage");
    if (!kept) return std::unexpected(kept.error());
    if (works) work();
    const auto answer = ask(service, "garbage_made");
    if (!answer) return std::unexpected(answer.error());
    made = std::stod(*answer) - made;
  }
  return std::round(made / static_cast<double>(operations));
}

}  // namespace skysock::bench

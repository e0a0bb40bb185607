#include "core/sim/kernel_script.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <array>
#include <string_view>

namespace skysock::conformance {
namespace {

/// What the generator believes is in a place, so that most steps have an effect.
enum class Kind : std::uint8_t { nothing, listener, stream, reader, writer, event };

class Generator {
 public:
  explicit Generator(Prng& random) : random_(random) {}

  ScriptStep next() {
    // Connections first: without them there is little to look at.
    if (waiting_ > 0 && random_.below(2) == 0) return accept();
    const std::uint8_t place = any_place();
    switch (kinds_[place]) {
      case Kind::nothing:
        return make(place);
      case Kind::listener:
        return random_.below(4) == 0 ? use_any(place) : connect(place);
      case Kind::stream:
        return random_.below(3) == 0 ? watch(place) : use_stream(place);
      case Kind::reader:
        return use(place, {Verb::read, Verb::read, Verb::close});
      case Kind::writer:
        return use(place, {Verb::write, Verb::write, Verb::write, Verb::close});
      case Kind::event:
        return use(place, {Verb::signal, Verb::read, Verb::read, Verb::close});
    }
    return {};
  }

 private:
  std::uint8_t any_place() { return static_cast<std::uint8_t>(random_.below(kPlaces)); }

  std::uint8_t free_place() {
    std::uint8_t place = any_place();
    for (int tries = 0; kinds_[place] != Kind::nothing && tries < kPlaces; ++tries) {
      place = static_cast<std::uint8_t>((place + 1) % kPlaces);
    }
    return place;
  }

  ScriptStep make(std::uint8_t place) {
    switch (random_.below(8)) {
      case 0: {
        const auto other = static_cast<std::uint8_t>((place + 1) % kPlaces);
        kinds_[place] = Kind::reader;
        kinds_[other] = Kind::writer;
        return {.verb = Verb::pipe, .place = place, .other = other};
      }
      case 1:
        kinds_[place] = Kind::event;
        return {.verb = Verb::event, .place = place};
      case 2:
        return {.verb = Verb::wait};
      case 3:  // Whether anybody still listens there or not.
        kinds_[place] = Kind::stream;
        return {.verb = Verb::connect, .place = place, .other = listener_};
      default:
        kinds_[place] = Kind::listener;
        waiting_ = 0;
        listener_ = place;
        return {.verb = Verb::listen, .place = place};
    }
  }

  ScriptStep connect(std::uint8_t listener) {
    const std::uint8_t place = free_place();
    if (place == listener || waiting_ >= kWaitingMax) return accept();
    kinds_[place] = Kind::stream;
    listener_ = listener;
    ++waiting_;
    return {.verb = Verb::connect, .place = place, .other = listener};
  }

  ScriptStep accept() {
    const std::uint8_t place = free_place();
    if (place == listener_) return {.verb = Verb::wait};
    kinds_[place] = Kind::stream;
    if (waiting_ > 0) --waiting_;
    return {.verb = Verb::accept, .place = place, .other = listener_};
  }

  ScriptStep use_stream(std::uint8_t place) {
    return use(place, {Verb::send, Verb::send, Verb::send, Verb::receive, Verb::receive, Verb::read,
                       Verb::write, Verb::fill, Verb::drain, Verb::shutdown, Verb::error,
                       Verb::reset, Verb::close});
  }

  /// Anything, sensible or not.
  ScriptStep use_any(std::uint8_t place) {
    return use(place, {Verb::receive, Verb::shutdown, Verb::error, Verb::close, Verb::watch});
  }

  ScriptStep watch(std::uint8_t place) {
    static constexpr std::array<std::uint32_t, 8> kMasks = {
        EPOLLIN,
        EPOLLOUT,
        EPOLLIN | EPOLLOUT,
        EPOLLIN | EPOLLRDHUP,
        0,
        EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        EPOLLIN | EPOLLET,
        EPOLLOUT | EPOLLONESHOT};
    static constexpr std::array kVerbs = {Verb::watch,   Verb::watch, Verb::rewatch,
                                          Verb::unwatch, Verb::wait,  Verb::wait};
    return {.verb = kVerbs[random_.below(kVerbs.size())],
            .place = place,
            .amount = kMasks[random_.below(kMasks.size())]};
  }

  ScriptStep use(std::uint8_t place, std::initializer_list<Verb> verbs) {
    static constexpr std::array<std::uint32_t, 6> kAmounts = {1, 2, 10, 100, 1'000, 4'000};
    if (random_.below(4) == 0) return watch(place);
    const Verb verb = verbs.begin()[random_.below(verbs.size())];
    if (verb == Verb::watch) return watch(place);
    if (verb == Verb::close || verb == Verb::reset) kinds_[place] = Kind::nothing;
    return {.verb = verb, .place = place, .amount = kAmounts[random_.below(kAmounts.size())]};
  }

  static constexpr int kWaitingMax = 4;

  Prng& random_;
  std::array<Kind, kPlaces> kinds_{};
  std::uint8_t listener_ = 0;
  int waiting_ = 0;  ///< Connections that were begun and not accepted, about.
};

constexpr std::array<std::string_view, kVerbCount> kNames = {
    "listen", "connect", "accept", "pipe",    "event",    "send",  "receive",
    "read",   "write",   "fill",   "drain",   "shutdown", "error", "signal",
    "reset",  "close",   "watch",  "rewatch", "unwatch",  "wait"};

std::string mask_text(std::uint32_t mask) {
  std::string text;
  const auto add = [&](std::uint32_t bit, std::string_view name) {
    if ((mask & bit) != 0) text += fmt::format("{}{}", text.empty() ? "" : "|", name);
  };
  add(EPOLLIN, "IN");
  add(EPOLLOUT, "OUT");
  add(EPOLLRDHUP, "RDHUP");
  add(EPOLLET, "ET");
  add(EPOLLONESHOT, "ONESHOT");
  return text.empty() ? "nothing" : text;
}

}  // namespace

Script random_script(Prng& random, std::size_t steps) {
  Generator generator(random);
  Script script;
  script.reserve(steps);
  while (script.size() < steps) script.push_back(generator.next());
  return script;
}

std::string text_of(const ScriptStep& step) {
  const std::string_view name = kNames[static_cast<std::size_t>(step.verb)];
  switch (step.verb) {
    case Verb::wait:
      return std::string(name);
    case Verb::connect:
      return fmt::format("{} {} to {}", name, step.place, step.other);
    case Verb::accept:
      return fmt::format("{} {} from {}", name, step.place, step.other);
    case Verb::pipe:
      return fmt::format("{} {} and {}", name, step.place, step.other);
    case Verb::watch:
    case Verb::rewatch:
      return fmt::format("{} {} for {}", name, step.place, mask_text(step.amount));
    case Verb::send:
    case Verb::receive:
    case Verb::read:
    case Verb::write:
      return fmt::format("{} {}, {} bytes", name, step.place, step.amount);
    default:
      return fmt::format("{} {}", name, step.place);
  }
}

}  // namespace skysock::conformance

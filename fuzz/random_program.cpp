// Random programs. Each has a theme: the operations of one part of a socket's life come more often
// than the rest, so that what needs several of them in a row is met soon. One in three switches
// threads in the middle of calls.

#include "fuzz/sim_form.hpp"
#include "fuzz/sim_program.hpp"

namespace skysock::fuzz {
namespace {

struct Theme {
  std::string_view letters;     ///< Of operations that come kThemeWeight times as often.
  std::string_view start = {};  ///< After the connection: a program whose world is mixed in.
};
constexpr unsigned kThemeWeight = 6;

constexpr std::array kThemes = {
    Theme{""}, Theme{"DPitgq"},  // Output that does not fit.
    Theme{"DPKfgis"},            // Closing with output pending.
    Theme{"DtfezHSq"},           // Ends of peers, while a socket is held.
    Theme{"HvVwSDf"},            // Hand-over.
    Theme{"OmRhKDC"},            // Connecting.
    Theme{"UNCAaK"},             // Datagrams.
    Theme{"Bltfe"},              // Borrowed descriptors.
    Theme{"ps"},                 // Packets that no call makes.
    Theme{"yGSvK"},              // Owners that end.
    // Both priorities, where a few bytes fit.
    Theme{"PDgq", "world 0 0 10 0 0\nsend_low id=1 size=40\npoll\n"},
    // One socket in another's place.
    Theme{"xtdSz", "world 2 128 0 0 0\nhabit service=0 does=3 victim=2\ndial listener=0\npoll\n"},
    // A listener that cannot accept; one that ends.
    Theme{"psVLdujbH", "world 0 0 0 0 0\nfault call=5 error=4 after=0\ndial listener=0\npoll\n"},
    // Commands for ids whose create commands were lost, and whose owner has closed them.
    Theme{"psS",
          "world 0 0 0 0 0\nraw 53 12\nudp service=0 kind=0\nraw 53 15\nopen service=0 where=0\n"
          "send_to id=2 destination=0 size=3\nsend id=3 size=3\nclose service=0 id=2 flags=0\n"
          "close service=0 id=3 flags=0\npoll\n"},
    // Datagrams that wait, and a poller that fails.
    Theme{"ACaK",
          "world 0 16 0 0 0\nudp service=0 kind=0\npoll\nfault call=20 error=1 after=0\n"
          "fault call=10 error=7 after=0\n"},
    // Commands for who has closed and cannot send: the buffers hold a byte.
    Theme{"psKfg", "world 0 0 5 0 0\nsend id=1 size=99\nclose service=0 id=1 flags=0\npoll\n"}};

/// A listener and a connection, as most programs need one.
constexpr std::string_view kConnection =
    "world 0 0 0 0 0\nlisten service=0\npoll\nstart service=0 id=0\npoll\n"
    "dial listener=0\npoll\nstart service=0 id=1\npoll\n";

void append(SimProgram& program, const SimProgram& more) {
  for (std::size_t at = 0; at < program.world.size(); ++at) program.world[at] |= more.world[at];
  program.operations.insert(program.operations.end(), more.operations.begin(),
                            more.operations.end());
}

/// What programs of a theme begin with.
const SimProgram& start_of(std::size_t theme) {
  static const std::vector<SimProgram> kStarts = [] {
    std::vector<SimProgram> starts;
    for (const Theme& one : kThemes) {
      starts.push_back(parse_program(kConnection).value());
      if (!one.start.empty()) append(starts.back(), parse_program(one.start).value());
    }
    return starts;
  }();
  return kStarts[theme];
}

/// Arguments that meet each other: few services, few ids, few peers, small and large sizes.
std::uint8_t random_argument(std::string_view name, Prng& random) {
  const auto below = [&](std::uint64_t bound) {
    return static_cast<std::uint8_t>(random.below(bound));
  };
  if (name == "service") return random.below(4) == 0 ? below(4) : std::uint8_t{0};
  if (name == "id") return random.below(16) == 0 ? below(256) : below(5);
  if (name == "peer" || name == "listener" || name == "remote" || name == "which") return below(3);
  if (name == "size" || name == "bytes") return random.below(3) == 0 ? below(256) : below(12);
  if (name == "tenths") return random.below(2) == 0 ? below(12) : below(256);
  if (name == "after") return random.below(2) == 0 ? std::uint8_t{0} : below(4);
  if (name == "left") return random.below(3) == 0 ? std::uint8_t{255} : below(4);
  if (name == "type") {
    constexpr std::string_view kTypes = "SLOBUNKDPACTHWX";
    return static_cast<std::uint8_t>(kTypes[random.below(kTypes.size())]);
  }
  if (name == "requester") return random.below(4) == 0 ? std::uint8_t{255} : below(4);
  if (name == "argument") return random.below(2) == 0 ? below(256) : below(8);
  if (name == "thread") return below(4);
  if (name == "points") return random.below(3) == 0 ? below(20) : below(6);
  if (name == "victim") return below(4);
  if (name == "cut") return random.below(3) == 0 ? below(20) : std::uint8_t{0};
  return below(256);
}

SimOperation random_operation(const Form& form, Prng& random) {
  SimOperation operation{.letter = form.letter};
  if (form.letter == kRaw) {
    for (std::uint64_t left = random.below(24); left > 0; --left) {
      operation.arguments.push_back(static_cast<std::uint8_t>(random.below(256)));
    }
    return operation;
  }
  for (std::size_t at = 0; at < form.count(); ++at) {
    operation.arguments.push_back(random_argument(form.arguments[at], random));
  }
  return operation;
}

/// Every operation as often as its weight says in programs of a theme.
std::vector<const Form*> weighted_forms(const Theme& theme) {
  std::vector<const Form*> weighted;
  for (const Form& form : forms()) {
    const unsigned weight = form.weight * (theme.letters.contains(form.letter) ? kThemeWeight : 1);
    weighted.insert(weighted.end(), weight, &form);
  }
  return weighted;
}

/// By weight; one that moves megabytes is taken less often still.
const Form& random_form(std::size_t theme, Prng& random) {
  static const std::vector<std::vector<const Form*>> kWeighted = [] {
    std::vector<std::vector<const Form*>> weighted;
    for (const Theme& one : kThemes) weighted.push_back(weighted_forms(one));
    return weighted;
  }();
  for (;;) {
    const Form& form = *kWeighted[theme][random.below(kWeighted[theme].size())];
    if (form.letter != kMuch || random.below(32) == 0) return form;
  }
}

// ---- Threads that stop

void add(SimProgram& program, char letter, SimOperation::Arguments arguments) {
  program.operations.push_back({.letter = letter, .arguments = std::move(arguments)});
}

/// A connection of ours to a remote host.
void add_connect(SimProgram& program) {
  add(program, 'O', {0, 0});
  add(program, 'q', {});
  add(program, 'q', {});
}

/// A send stops with an id in its hand, whose socket is closed; where slots are few, another one
/// takes its place.
void add_successor(SimProgram& program, Prng& random) {
  add(program, kBegin, {0, static_cast<std::uint8_t>(random.below(6))});
  add(program, 'D', {0, 3});
  add(program, 'K', {0, 0, 1});
  const auto connects = static_cast<std::uint8_t>(1 + random.below(3));
  for (std::uint8_t made = 0; made < connects; ++made) add_connect(program);
  add(program, kResume, {0, static_cast<std::uint8_t>(random.below(3))});
  add(program, 'D', {connects, 3});
  add(program, 'q', {});
}

/// Now and then a call or a poll that stops in the middle, or one that goes on.
void add_switch(SimProgram& program, Prng& random) {
  // Most of what meets on a socket is sends, closes and the reactor.
  constexpr std::string_view kStopping = "DDDDDDDPKKqqqqqOSAGT";
  const std::uint64_t choice = random.below(6);
  if (choice > 2) return;
  if (random.below(16) == 0) return add_successor(program, random);
  if (choice == 0) {
    program.operations.push_back(random_operation(form_of(kResume), random));
    return;
  }
  program.operations.push_back(random_operation(form_of(kBegin), random));
  const char stopping = kStopping[random.below(kStopping.size())];
  program.operations.push_back(random_operation(form_of(stopping), random));
}

}  // namespace

SimProgram random_program(Prng& random) {
  constexpr std::size_t kOperationsMin = 4;
  // Most are short, so that many are run; some are long, for what needs many steps.
  const std::size_t more = random.below(8) == 0 ? 44 : 6;
  SimProgram program;
  program.operations.reserve(4 * (kOperationsMin + more));  // Room for what add_switch() adds.
  for (std::uint8_t& choice : program.world) {
    // Most worlds are plain but for one thing or two.
    choice = random.below(3) == 0 ? static_cast<std::uint8_t>(random.below(256)) : std::uint8_t{0};
  }
  const std::size_t theme = random.below(kThemes.size());
  const bool switches = random.below(3) == 0;
  // Ids that come back soon are met by threads that still have old ones.
  if (switches && random.below(2) == 0) program.world[0] |= 1U;
  if (switches && random.below(2) == 0) {
    add_connect(program);
  } else if (random.below(4) != 0) {
    append(program, start_of(theme));
  }
  for (std::size_t left = kOperationsMin + random.below(more); left > 0; --left) {
    if (switches) add_switch(program, random);
    program.operations.push_back(random_operation(random_form(theme, random), random));
  }
  return program;
}

}  // namespace skysock::fuzz

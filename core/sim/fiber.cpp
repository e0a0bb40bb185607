#include "core/sim/fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <utility>

#include "core/base/check.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define SKYSOCK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SKYSOCK_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define SKYSOCK_TSAN 1
#endif
#endif

#if defined(SKYSOCK_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(SKYSOCK_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace skysock {
namespace {

namespace context = boost::context::detail;

/// A whole server runs on it, unoptimised and with sanitizers; untouched pages cost nothing.
constexpr std::size_t kStackBytes = std::size_t{1} << 20U;

}  // namespace

/// What the sanitizers are told around a switch of stacks. Inlined: ThreadSanitizer would take the
/// return from here for one of the other stack's.
struct Fiber::Switch {
  [[gnu::always_inline]] static void begin([[maybe_unused]] Stack& from,
                                           [[maybe_unused]] const Stack& to) {
#if defined(SKYSOCK_ASAN)
    __sanitizer_start_switch_fiber(&from.fake, to.bottom, to.bytes);
#elif defined(SKYSOCK_TSAN)
    __tsan_switch_to_fiber(to.thread, 0);
#endif
  }
  /// `from`: where we came from, which is learned here.
  [[gnu::always_inline]] static void end([[maybe_unused]] Stack& here,
                                         [[maybe_unused]] Stack& from) {
#if defined(SKYSOCK_ASAN)
    __sanitizer_finish_switch_fiber(here.fake, &from.bottom, &from.bytes);
#endif
  }
};

Fiber::Fiber()
    : memory_(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0)) {
  SKYSOCK_CHECK(memory_ != MAP_FAILED);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  // It grows downwards: what overflows meets this page.
  SKYSOCK_CHECK(mprotect(memory_, page, PROT_NONE) == 0);
  own_.bottom = memory_;
  own_.bytes = kStackBytes;
#if defined(SKYSOCK_TSAN)
  own_.thread = __tsan_create_fiber(0);
#endif
  context_ = context::make_fcontext(static_cast<std::byte*>(memory_) + kStackBytes, kStackBytes,
                                    [](context::transfer_t from) {
                                      auto* fiber = static_cast<Fiber*>(from.data);
                                      fiber->caller_ = from.fctx;
                                      fiber->live();
                                    });
}

Fiber::~Fiber() {
  SKYSOCK_CHECK(idle());
#if defined(SKYSOCK_TSAN)
  __tsan_destroy_fiber(own_.thread);
#endif
  munmap(memory_, kStackBytes);
}

/// Never returns: the destructor takes the stack away, on which nothing is left then.
void Fiber::live() {
  Switch::end(own_, callers_);
  for (;;) {
    work_();
    work_ = nullptr;
    suspend();
  }
}

void Fiber::give(std::function<void()> work) {
  SKYSOCK_CHECK(idle());
  work_ = std::move(work);
}

void Fiber::resume() {
  SKYSOCK_CHECK(!idle());
#if defined(SKYSOCK_TSAN)
  callers_.thread = __tsan_get_current_fiber();
#endif
  Switch::begin(callers_, own_);
  context_ = context::jump_fcontext(context_, this).fctx;
  Switch::end(callers_, own_);
}

void Fiber::suspend() {
  Switch::begin(own_, callers_);
  caller_ = context::jump_fcontext(caller_, this).fctx;
  Switch::end(own_, callers_);
}

}  // namespace skysock

// StreamWorld: what services do.

#include <algorithm>
#include <array>

#include "core/base/check.hpp"
#include "fuzz/stream_hosts.hpp"
#include "fuzz/stream_trace.hpp"
#include "fuzz/stream_world.hpp"

namespace skysock::fuzz {
namespace {

constexpr std::size_t kServices = 4;
/// In both directions together: enough for every buffer to be full, little enough to be quick.
constexpr std::size_t kSentBytesMax = 4'096;
/// More messages would make first bytes, which tell them apart, ambiguous.
constexpr std::uint8_t kMessagesMax = 250;
/// Two of them cross the first two levels of WARNING.
constexpr std::size_t kMuchBytes = 1'100'000;
constexpr std::size_t kMuchBytesMax = 2 * kMuchBytes;

/// Bytes that tell which message they are from and where in it they are.
std::string message_text(std::uint8_t number, std::size_t size) {
  constexpr std::size_t kPeriod = 256;
  std::string text(std::min(size, kPeriod), '\0');
  for (std::size_t at = 0; at < text.size(); ++at) text[at] = static_cast<char>(number + at * 7);
  while (text.size() < size) text.append(text, 0, std::min(text.size(), size - text.size()));
  return text;
}

}  // namespace

// ---- What operations need

/// Any id that was ever handed out, gone or not; now and then one that was not.
SocketId StreamWorld::id_at(std::size_t choice) {
  const std::vector<SocketId>& ids = server_.ids();
  if (ids.empty() || choice == 255) return static_cast<SocketId>(choice + 1);
  return ids[choice % ids.size()];
}

SocketId StreamWorld::pick_id() { return id_at(input_.byte()); }

/// The services' handles, or 0, which is nobody's.
ServiceHandle StreamWorld::pick_requester() {
  const std::uint8_t choice = input_.byte();
  return choice == 255 ? 0 : static_cast<ServiceHandle>(1 + choice % kServices);
}

ServiceHandle StreamWorld::pick_service() {
  return static_cast<ServiceHandle>(1 + input_.below(kServices));
}

/// Two peers, one that is not there, one that no kernel sends to, one of the other family.
Endpoint StreamWorld::pick_destination() {
  switch (input_.below(5)) {
    case 0:
      return endpoint(kUdpHost, kUdpPort);
    case 1:
      return endpoint(kUdpHost, kOtherUdpPort);
    case 2:
      return endpoint(kUdpHost, kDeadUdpPort);
    case 3:
      return endpoint(kUdpHost, 0);
    default:
      return endpoint(kDeadHostV6, kDeadUdpPort);
  }
}

void StreamWorld::write_raw(std::span<const std::byte> bytes) {
  trace_raw(bytes);
  server_.inject(bytes);
}

std::optional<std::string> StreamWorld::message(std::size_t size) {
  if (next_message_ == kMessagesMax || sent_bytes_ > kSentBytesMax) return std::nullopt;
  sent_bytes_ += size;
  return message_text(next_message_++, size);
}

void StreamWorld::send(SocketId id, std::size_t size, Priority priority) {
  if (const auto text = message(size)) server_.send(id, *text, priority);
}

// ---- Raw bytes

void StreamWorld::op_raw_bytes() { write_raw(input_.bytes(input_.below(64))); }

/// A well-formed packet whose fields are chosen from what exists, so that raw packets hit real ids
/// and tokens; `cut` splits it with a poll in between.
void StreamWorld::op_raw_packet() {
  const std::uint8_t type = input_.byte();
  const EncodedPacket encoded = encode(raw_packet(type));
  const std::size_t first = std::min<std::size_t>(input_.byte(), encoded.size);
  write_raw(encoded.bytes().first(first));
  if (first != 0 && first != encoded.size) poll(0);
  write_raw(encoded.bytes().subspan(first));
}

ControlPacket StreamWorld::raw_packet(std::uint8_t type) {
  const SocketId id = pick_id();
  const ServiceHandle service = pick_requester();
  const std::uint8_t argument = input_.byte();
  const Token token = (Token{1} + argument / 16) << 32U | argument % 16;
  const auto address = UdpAddress::from_endpoint(endpoint(kUdpHost, kUdpPort));
  switch (type) {
    case 'L':
      return ListenPacket{.id = id, .requester = service, .fd = token};
    case 'O':
      return OpenPacket{id, service, static_cast<std::uint16_t>(1000 + argument), kRemoteHost};
    case 'B':
      return BindPacket{.id = id, .requester = service, .fd = token};
    case 'U':
      return UdpPacket{.id = id, .requester = service, .fd = token};
    case 'N':
      return DialPacket{.id = id, .requester = service, .fd = token, .address = address};
    case 'K':
      return ClosePacket{.id = id,
                         .requester = service,
                         .mode = CloseMode{static_cast<std::uint8_t>(argument & 1)},
                         .answer = CloseAnswer{static_cast<std::uint8_t>(argument >> 1 & 1)}};
    case 'D':
      return SendPacket{.id = id, .payload = token, .priority = Priority::high};
    case 'P':
      return SendPacket{.id = id, .payload = token, .priority = Priority::low};
    case 'A':
      return SendToPacket{.id = id, .payload = token, .address = address};
    case 'C':
      return SetAddressPacket{.id = id, .address = address};
    case 'T':
      return OptionPacket{
          .id = id,
          .option = ConnectionOption{static_cast<std::uint8_t>(argument % kConnectionOptionCount)},
          .value = 1};
    case 'H':
      return HoldPacket{.id = id,
                        .requester = service,
                        .mode = HoldMode{static_cast<std::uint8_t>(argument % 4)},
                        .payload = token};
    case 'W':
      return ArmWritePacket{.id = id};
    case 'X':
      return ExitPacket{};
    default:
      return StartPacket{.id = id, .requester = service};
  }
}

// ---- Making sockets

void StreamWorld::op_listen() {
  const std::uint16_t port = next_port_++;
  if (server_.listen(pick_service(), kLocalHost, port) != 0) listen_ports_.push_back(port);
}

void StreamWorld::op_open() {
  struct Where {
    const char* host;
    RemoteAnswer answer = RemoteAnswer::accept;  ///< Of the remote host,
    RemoteAnswer other = RemoteAnswer::refuse;   ///< and of the other one.
    bool ours = false;
  };
  constexpr std::array kWhere = {
      Where{kRemoteHost},
      Where{kRemoteHost, RemoteAnswer::refuse},
      Where{kRemoteHost, RemoteAnswer::ignore},
      Where{kLocalHost, RemoteAnswer::accept, RemoteAnswer::refuse, true},
      Where{kTwoAddresses},
      Where{kDeadThenAlive},
      Where{kTwoAddresses, RemoteAnswer::accept, RemoteAnswer::ignore},
      Where{kOurselves, RemoteAnswer::accept, RemoteAnswer::refuse, true},
      Where{kUnresolvable},
      Where{kUnknown}};
  const ServiceHandle service = pick_service();
  const Where& where = kWhere[input_.below(kWhere.size())];
  const bool ours = where.ours && !listen_ports_.empty();
  const std::uint16_t port = ours ? listen_ports_.back() : next_port_++;
  if (!ours) {
    for (const auto& [host, answer] :
         {std::pair(kRemoteHost, where.answer), std::pair(kOtherRemoteHost, where.other)}) {
      kernel_.set_remote(endpoint(host, port), answer);
      remotes_.push_back({endpoint(host, port), port});
    }
  }
  server_.open(service, where.host, port);
}

void StreamWorld::lend(ServiceHandle service, int fd, Lent&& lent) {
  lent.fd = fd;
  lent.id = server_.bind(service, fd, !lent.file);
  lent_.push_back(std::move(lent));
}

void StreamWorld::op_bind() {
  const ServiceHandle service = pick_service();
  const std::size_t kind = input_.below(4);
  // Lending needs a descriptor, whatever the limit.
  const int limit = std::exchange(kernel_.options().fd_limit, kFdLimit);
  if (kind == 0) {
    auto [fd, far] = kernel_.lend_pipe_reader();
    lend(service, fd, {.far_writes = true, .far = std::move(far)});
  } else if (kind == 1) {
    auto [fd, far] = kernel_.lend_pipe_writer();
    lend(service, fd, {.far = std::move(far)});
  } else if (kind == 2) {
    const std::string contents = message_text(1, 300);
    lend(service, kernel_.lend_file(contents), {.file = true, .sent = contents});
  } else {
    auto [fd, far] = kernel_.lend_connection();
    lend(service, fd, {});
    peers_.push_back({.end = std::move(far), .id = lent_.back().id});
  }
  kernel_.options().fd_limit = limit;
}

void StreamWorld::op_udp() {
  const ServiceHandle service = pick_service();
  constexpr std::array kHosts = {"", kLocalHost, "::1"};
  const std::size_t kind = input_.below(kHosts.size());
  server_.udp(service, kHosts[kind], kind == 0 ? std::uint16_t{0} : next_port_++);
}

void StreamWorld::op_udp_dial() {
  const ServiceHandle service = pick_service();
  server_.udp_dial(service, pick_destination());
}

void StreamWorld::op_udp_connect() {
  const SocketId id = pick_id();
  server_.udp_connect(id, pick_destination());
}

// ---- Using them

void StreamWorld::op_start() {
  const ServiceHandle service = pick_service();
  server_.start(service, pick_id());
}

void StreamWorld::op_hold() {
  const ServiceHandle service = pick_service();
  server_.hold(service, pick_id());
}

void StreamWorld::op_hand_over() {
  const ServiceHandle service = pick_service();
  server_.hand_over(service, pick_id());
}

void StreamWorld::op_give_back() {
  const ServiceHandle service = pick_service();
  const SocketId id = pick_id();
  server_.give_back(service, id, input_.byte());
}

void StreamWorld::op_hand_over_done() {
  const ServiceHandle service = pick_service();
  server_.hand_over_done(service, pick_id());
}

void StreamWorld::op_send_high() {
  const SocketId id = pick_id();
  send(id, 1 + std::size_t{input_.byte()}, Priority::high);
}

void StreamWorld::op_send_low() {
  const SocketId id = pick_id();
  send(id, 1 + std::size_t{input_.byte()}, Priority::low);
}

/// What a sender on another thread does that looked at the socket before it changed.
void StreamWorld::op_post_send() {
  const SocketId id = pick_id();
  if (const auto text = message(1 + std::size_t{input_.byte()})) server_.post_send(id, *text);
}

/// Enough for WARNING; only where a peer can take it in a moment.
void StreamWorld::op_send_much() {
  const SocketId id = pick_id();
  const bool fits = options_.roomy && !small_buffers_ && much_sent_ < kMuchBytesMax;
  if (!fits || next_message_ == kMessagesMax || is_udp(server_.protocol(id))) return;
  much_sent_ += kMuchBytes;
  server_.send(id, message_text(next_message_++, kMuchBytes), Priority::high);
}

void StreamWorld::op_send_to() {
  const SocketId id = pick_id();
  const Endpoint to = pick_destination();
  if (const auto text = message(input_.byte())) server_.send_to(id, to, *text);
}

void StreamWorld::op_close() {
  const ServiceHandle service = pick_service();
  const SocketId id = pick_id();
  const std::uint8_t flags = input_.byte();
  const CloseMode mode = (flags & 1) != 0 ? CloseMode::abortive : CloseMode::soft;
  const CloseAnswer answer = (flags & 2) != 0 ? CloseAnswer::wanted : CloseAnswer::not_needed;
  server_.close(service, id, mode, answer);
}

void StreamWorld::op_set_option() {
  constexpr std::array<std::int64_t, 8> kValues = {1, 0, 100, 700, 4'096, 60'000, -1, 5};
  const SocketId id = pick_id();
  const auto option =
      static_cast<ConnectionOption>(input_.below(std::size_t{kConnectionOptionCount}));
  const std::int64_t value = kValues[input_.below(kValues.size())];
  const bool buffers = option == ConnectionOption::send_buffer_bytes ||
                       option == ConnectionOption::receive_buffer_bytes;
  // A megabyte would leave byte by byte.
  if (buffers && much_sent_ > 0) return;
  small_buffers_ = small_buffers_ || buffers;
  server_.set_option(id, option, value);
}

void StreamWorld::op_exit() { server_.exit(); }
void StreamWorld::op_owner_dies() { server_.service_died(pick_service()); }
void StreamWorld::op_netstat() { server_.ask_netstat(); }
void StreamWorld::op_wake() { server_.wake(); }

/// A service ends: with or without being there for what follows.
void StreamWorld::op_owner_gone() {
  const std::uint8_t choice = input_.byte();
  const auto service = static_cast<ServiceHandle>(1 + choice % kServices);
  if (choice >= 128) server_.service_died(service);
  server_.owner_gone(service);
}

}  // namespace skysock::fuzz

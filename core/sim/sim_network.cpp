// SimKernel: stream sockets, and the network and remote hosts behind them. Datagrams and options
// are in sim_sockets.cpp.

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/sim/sim_kernel.hpp"

namespace skysock {
// ---- Sockets

Result<int> SimKernel::stream_socket(int family) {
  if (const auto entered = enter(Call::stream_socket); !entered) return Failure(entered.error());
  if (family != AF_INET && family != AF_INET6) {
    return failure(std::errc::address_family_not_supported);
  }
  return install(std::make_shared<TcpEnd>(family, options_.buffers), true);
}

Result<void> SimKernel::bind(int fd, const Endpoint& endpoint) {
  const Result<Object*> object = open(Call::bind, fd);
  if (!object) return Failure(object.error());
  if (auto* socket = std::get_if<Datagrams>(*object)) return bind_datagrams(*socket, endpoint);
  if (std::holds_alternative<Listener>(**object)) return failure(std::errc::invalid_argument);
  auto* found = std::get_if<Stream>(*object);
  if (found == nullptr) return failure(std::errc::not_a_socket);
  TcpEnd& end = **found;
  if (endpoint.family() != end.family()) return failure(wrong_family(end.family(), endpoint));
  if (!is_own(endpoint)) return failure(std::errc::address_not_available);
  const bool fresh = end.state() == TcpEnd::State::fresh && end.local().empty();
  if (!fresh) return failure(std::errc::invalid_argument);
  if (endpoint.port() != 0 && in_use(endpoint)) return failure(std::errc::address_in_use);
  const std::uint16_t port = endpoint.port() != 0 ? endpoint.port() : free_port(endpoint);
  end.set_local(with_port(endpoint, port));
  return {};
}

Result<void> SimKernel::listen(int fd, int backlog) {
  const Result<Object*> object = open(Call::listen, fd);
  if (!object) return Failure(object.error());
  const auto length = static_cast<std::size_t>(backlog < 0 ? SOMAXCONN : backlog);
  if (auto* listener = std::get_if<Listener>(*object)) {
    listener->backlog = length;
    return {};
  }
  if (std::holds_alternative<Datagrams>(**object)) {
    return failure(std::errc::operation_not_supported);
  }
  auto* end = std::get_if<Stream>(*object);
  if (end == nullptr) return failure(std::errc::not_a_socket);
  if ((*end)->state() != TcpEnd::State::fresh) return failure(std::errc::invalid_argument);
  Endpoint local = (*end)->local();
  if (local.empty()) local = local_of((*end)->family(), "0.0.0.0", "::");
  if (in_use(local)) return failure(std::errc::address_in_use);
  **object = Listener{.local = local, .backlog = length};
  listener_fds_.push_back(fd);
  return {};
}

Result<AcceptedSocket> SimKernel::accept(int fd) {
  const Result<Object*> object = open(Call::accept, fd);
  if (!object) return Failure(object.error());
  auto* listener = std::get_if<Listener>(*object);
  if (listener == nullptr) {
    if (std::holds_alternative<Stream>(**object)) return failure(std::errc::invalid_argument);
    const bool datagrams = std::holds_alternative<Datagrams>(**object);
    return failure(datagrams ? std::errc::operation_not_supported : std::errc::not_a_socket);
  }
  if (listener->shut) return failure(std::errc::invalid_argument);
  // Linux takes the descriptor first: at the limit, an empty queue answers EMFILE too.
  if (!free_fd()) return failure(std::errc::too_many_files_open);
  if (listener->waiting.empty()) return failure(std::errc::resource_unavailable_try_again);
  const Stream end = std::move(listener->waiting.front());
  listener->waiting.pop_front();  // install() may move the listener.
  const Result<int> accepted = install(end, true);
  descriptor(accepted.value()).options = descriptor(fd).options;
  return AcceptedSocket{.fd = accepted.value(), .peer = end->remote()};
}

Result<void> SimKernel::connect(int fd, const Endpoint& endpoint) {
  const Result<Stream*> found = open_stream(Call::connect, fd, std::errc::already_connected);
  if (!found) return Failure(found.error());
  const Stream& end = **found;
  if (end->state() != TcpEnd::State::fresh) return end->connect_outcome();
  if (endpoint.family() != end->family()) return failure(wrong_family(end->family(), endpoint));
  if (end->local().empty()) end->set_local(local_of(end->family(), "127.0.0.1", "::1"));
  end->set_local(without_wildcard(end->local()));
  end->start_connecting(without_wildcard(endpoint));
  if (options_.connect_at_once) answer_syn(end);
  if (end->state() != TcpEnd::State::connecting) return end->connect_outcome();
  connecting_.push_back(end);
  return failure(std::errc::operation_in_progress);
}

Result<std::size_t> SimKernel::send(int fd, std::span<const iovec> parts) {
  const Result<Object*> object = open(Call::send, fd);
  if (!object) return Failure(object.error());
  if (!is_socket(**object)) return failure(std::errc::not_a_socket);
  if (parts.size() > kPartsMax) return failure(std::errc::message_size);
  return note_sent(fd, note_block(fd, write_object(**object, parts, take_send_limit(fd))));
}

// ---- Network

Listener* SimKernel::listener_at(const Endpoint& endpoint) {
  for (const int fd : listener_fds_) {
    auto& listener = std::get<Listener>(object_at(fd));
    if (overlap(listener.local, endpoint)) return &listener;
  }
  return nullptr;
}

void SimKernel::shut_listener(const Endpoint& at) {
  Listener* listener = listener_at(at);
  SKYSOCK_CHECK(listener != nullptr);
  listener->shut = true;
  for (const Stream& end : std::exchange(listener->waiting, {})) end->abort();
  listener->edges.any();
}

bool SimKernel::in_use(const Endpoint& endpoint) { return listener_at(endpoint) != nullptr; }

std::uint16_t SimKernel::free_port(const Endpoint& on) {
  return ports_.next([&](std::uint16_t port) { return in_use(with_port(on, port)); });
}

/// A fresh port on the host of that family.
Endpoint SimKernel::local_of(int family, const char* v4_host, const char* v6_host) {
  const Endpoint any_port = host_of(family, v4_host, v6_host);
  return with_port(any_port, free_port(any_port));
}

/// Completes the handshake of `from` with a new end at `at`, which is returned.
Stream SimKernel::establish(const Stream& from, const Endpoint& at) {
  const Stream far = std::make_shared<TcpEnd>(at.family(), options_.buffers);
  far->set_local(at);
  TcpEnd::join(from, far);
  return far;
}

void SimKernel::answer_syn(const Stream& end) {
  const Endpoint to = end->remote();
  if (Listener* listener = listener_at(to)) {
    if (listener->shut) return end->refuse();
    if (listener->has_room()) listener->admit(establish(end, to));
    return;
  }
  const auto remote = remotes_.find(to.text());
  const RemoteAnswer answer =
      remote == remotes_.end() ? RemoteAnswer::refuse : remote->second.answer;
  switch (answer) {
    case RemoteAnswer::refuse:
      return end->refuse();
    case RemoteAnswer::accept:
      return remote->second.accepted.push_back(establish(end, to));
    case RemoteAnswer::ignore:
      return;
  }
}

void SimKernel::step() {
  for (const int fd : std::exchange(stalled_fds_, {})) {
    if (Edges* edges = edges_of(object_at(fd))) edges->any();
  }
  const auto waits = [](const Stream& end) {
    return end && end->state() == TcpEnd::State::connecting;
  };
  for (const auto& weak : connecting_) {
    if (const Stream end = weak.lock(); waits(end)) answer_syn(end);
  }
  std::erase_if(connecting_, [&](const auto& weak) { return !waits(weak.lock()); });
  if (!answers_held_) names_.answer();
}

Result<SimPeer> SimKernel::dial(const Endpoint& to) {
  Listener* listener = listener_at(to);
  if (listener == nullptr || listener->shut) return failure(std::errc::connection_refused);
  if (!listener->has_room()) return failure(std::errc::timed_out);
  const Stream client = std::make_shared<TcpEnd>(to.family(), options_.buffers);
  client->set_local(local_of(to.family(), "192.0.2.1", "2001:db8::1"));
  listener->admit(establish(client, to));
  return SimPeer(client);
}

std::optional<SimPeer> SimKernel::take_remote(const Endpoint& at) {
  std::deque<Stream>& accepted = remotes_[at.text()].accepted;
  if (accepted.empty()) return std::nullopt;
  SimPeer peer(std::move(accepted.front()));
  accepted.pop_front();
  return peer;
}

}  // namespace skysock

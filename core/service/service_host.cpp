#include "core/service/service_host.hpp"

#include <utility>
#include <vector>

namespace skysock {

ServiceHost::ServiceHost(std::size_t workers, Hooks hooks)
    : hooks_(std::move(hooks)),
      scheduler_(workers, {.overloaded =
                               [this](const Service& service, std::size_t length) {
                                 hooks_.overloaded(service.handle, service.name, length);
                               },
                           .ended = [this](Service& service) { end(service); },
                           .dropped = [this](ServiceHandle from,
                                             Message&& message) { drop(from, std::move(message)); },
                           .wake_reactor = [this] { hooks_.wake_reactor(); }}) {}

ServiceHandle ServiceHost::spawn(std::string name, const HandlerFactory& make_handler) {
  Service* service = registry_.add(std::move(name));
  if (service == nullptr) return 0;
  const ServiceHandle handle = service->handle;
  // Messages may queue from now on; nobody runs them before give_back().
  service->handler = make_handler(handle);
  service->made.store(true, std::memory_order_release);
  scheduler_.give_back(*service);
  return handle;
}

bool ServiceHost::retire(ServiceHandle handle) {
  if (!registry_.remove(handle)) return false;
  Service& service = *registry_.find(handle);
  if (service.mailbox.close(handle)) scheduler_.schedule(service);
  return true;
}

/// On the thread that has the service; nobody has it after.
void ServiceHost::end(Service& service) {
  const ServiceHandle handle = service.handle;
  // No lock is held: answers and the handler's destructor may post to anybody.
  for (Message& message : service.mailbox.end_life()) drop(handle, std::move(message));
  service.made.store(false, std::memory_order_relaxed);
  service.handler = nullptr;
  registry_.release(service);
  hooks_.ended(handle);
}

/// Whoever waits for an answer gets an error. Never answers an answer: two dead services would do
/// that for ever, and the session of a response is not one of its source's. Source: drop_message().
void ServiceHost::drop(ServiceHandle from, Message&& message) {
  dropped_.fetch_add(1, std::memory_order_relaxed);
  const bool answer = message.type == MessageType::response || message.type == MessageType::error;
  if (answer || message.session <= 0 || message.source == 0) return;
  post(message.source, {.type = MessageType::error, .session = message.session, .source = from});
}

}  // namespace skysock

// For tests: EAUDEQN_SANITIZED is 1 in a build whose allocator is a sanitizer's, else 0.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EAUDEQN_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EAUDEQN_SANITIZED 1
#endif
#endif
#ifndef EAUDEQN_SANITIZED
#define EAUDEQN_SANITIZED 0
#endif

#pragma once

// Under RealtimeSanitizer whatever a function so marked reaches may neither allocate, lock, nor call the
// system. Other compilers see nothing here.
#if defined(__has_cpp_attribute)
#if __has_cpp_attribute(clang::nonblocking)
#define ASC_EDGE_NONBLOCKING [[clang::nonblocking]]
#endif
#endif
#ifndef ASC_EDGE_NONBLOCKING
#define ASC_EDGE_NONBLOCKING
#endif

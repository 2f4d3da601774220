# For 64-bit ARM (Raspberry Pi 3 and later) on another machine, with Debian's cross compiler.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
# The host's interpreter describes itself where it is asked what an extension is called: told here instead.
if(DEFINED ENV{SETUPTOOLS_EXT_SUFFIX})
  set(PYTHON_MODULE_EXTENSION $ENV{SETUPTOOLS_EXT_SUFFIX})
  set(PYTHON_MODULE_DEBUG_POSTFIX "")
  set(PYTHON_IS_DEBUG OFF)
endif()

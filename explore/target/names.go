package target

import (
	"regexp"
	"slices"
	"strings"
)

// variants are what the names of one function's versions for different processors end in, as
// __strlen_avx2 and __memcpy_avx_unaligned_erms have it (glibc, sysdeps/x86_64/multiarch and
// sysdeps/aarch64/multiarch).
var variants = []string{
	"avx", "avx2", "avx512", "avx512f", "evex", "evex512", "sse2", "sse42", "sse4", "ssse3", "c", "rtm", "erms", "fsrm", "unaligned", "aligned",
	"no", "vzeroupper", "back", "fma", "fma4", "generic", "asimd", "mte", "sve", "mops", "falkor", "thunderx", "thunderx2", "emag", "kunpeng", "a64fx",
	"oryon1", "zva64", "nozva", "simd", "64", "256", "512",
}

// plain is a function's name as all builds have it: without its version, without what a compiler
// puts behind a copy of it (.constprop.0, .part.0, .cold) and what a libc's own symbols have in
// front, and without the processor that it is for.
func plain(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if !strings.HasPrefix(name, ".") {
		name, _, _ = strings.Cut(name, ".")
	}
	short := strings.TrimLeft(name, "_")
	for _, prefix := range []string{"GI_", "new_", "old_", "libc_"} {
		short = strings.TrimLeft(strings.TrimPrefix(short, prefix), "_")
	}
	if strings.HasPrefix(name, "__") {
		parts := strings.Split(short, "_")
		for len(parts) > 1 && slices.Contains(variants, parts[len(parts)-1]) {
			parts = parts[:len(parts)-1]
		}
		short = strings.Join(parts, "_")
	}
	if short == "" {
		return name
	}
	return short
}

// version is what modules' names have of a version behind their own, as libc-2.31 has it.
var version = regexp.MustCompile(`-[0-9][0-9.]*$`)

// stem is a module's name as all builds have it. The parts of the C library, of which functions have
// moved from one to another, are one.
func stem(module string) string {
	name, _, _ := strings.Cut(module, ".so")
	name = version.ReplaceAllString(name, "")
	if slices.Contains([]string{"libpthread", "librt", "libdl", "ld"}, name) || strings.HasPrefix(name, "ld-") {
		return "libc"
	}
	return name
}

// quitting are the functions, by their plain names, through which a process ends that has decided to:
// who has called the outermost one of them is where it ended (glibc, debug, assert, malloc and
// stdlib; libstdc++'s std::terminate and what throws).
var quitting = []string{
	"pthread_kill_implementation", "pthread_kill_internal", "pthread_kill", "raise", "gsignal", "kill", "tgkill", "abort", "abort_msg",
	"message", "message_impl", "fatal", "malloc_printerr", "assert_fail", "assert_fail_base", "assert_perror_fail", "assert_rtn",
	"fortify_fail", "fortify_fail_abort", "chk_fail", "stack_chk_fail", "exit", "Exit", "run_exit_handlers", "exit_group",
	"ZSt9terminatev", "ZN10__cxxabiv111__terminateEPFvvE", "ZN9__gnu_cxx27__verbose_terminate_handlerEv", "cxa_throw", "cxa_rethrow", "cxa_pure_virtual",
}

// waiting are the functions that wait for a futex word on behalf of those that are called to wait
// (glibc, nptl; musl, src/thread).
var waiting = []string{
	"futex_wait", "futex_wait_cancelable", "futex_wait_simple", "futex_abstimed_wait", "futex_abstimed_wait64", "futex_abstimed_wait_common", "futex_abstimed_wait_common64",
	"futex_abstimed_wait_cancelable", "futex_abstimed_wait_cancelable64", "futex_lock_pi64", "lll_lock_wait", "lll_lock_wait_private", "lll_lock_elision",
	"wait", "timedwait", "timedwait_cp", "syscall", "syscall_cp", "syscall_cp_c", "syscall_cp_asm", "syscall_cancel_arch", "syscall_cancel", "internal_syscall_cancel",
}

// unnumbered is a message without what differs from one process to the next: numbers, and the
// program's name that an assertion has in front.
func unnumbered(message string) string {
	message = strings.TrimSpace(message)
	if i := strings.Index(message, "Assertion `"); i >= 0 {
		message = message[i:]
	}
	return strings.Join(strings.Fields(numbers.ReplaceAllString(message, "#")), " ")
}

var numbers = regexp.MustCompile(`0x[0-9a-fA-F]+|[0-9]+`)

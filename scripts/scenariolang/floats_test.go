package scenariolang

import (
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// Floating point numbers go in and come out, among numbers of the other kind and on
// the stack as well, in setup and in threads, in glibc and in musl.
func TestFloats(t *testing.T) {
	const text = `
lib("libm.so.6")
buffer = data(256)
cells = data(32)

LONG = "%d %.2f %s %g %d %g %g %g %g %g %g %g %g %d %d %s"

def prepare(p):
    if p.call("ldexp", 1.5, 3, result = "double") != 12.0:
        fail("ldexp")
    if p.call("strtod", "2.5e3", None, result = "double", thread = "worker") != 2500.0:
        fail("strtod")
    p.put_f64(cells, 3.25)
    p.put_f32(cells + 8, 1)
    if p.f64(cells) != 3.25 or p.f32(cells + 8) != 1.0 or p.u32(cells + 8) != 0x3f800000:
        fail("memory")

def main(t):
    r = [
        t.call("ldexp", 1.5, 3, result = "double"),
        t.call("pow", 2.0, 10.0, result = "double"),
        t.call("sqrtf", f32(2.25), result = "float"),
        t.call("strtof", "1.25", None, result = "float"),
        i64(t.call("lround", -2.5)),
    ]
    t.call("snprintf", buffer, 256, LONG, 1, 2.5, "x", 1e100, 7, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 8, 9, "end")
    r.append(t.cstring(buffer))
    t.put_f64(cells + 16, -0.5)
    t.put_f32(cells + 24, f32(0.1))
    return r + [t.f64(cells + 16), t.f32(cells + 24), t.u32(cells + 24), t.u64(cells + 16)]

def worker(t):
    return t.call("fma", 2.0, 3.0, 4.0, result = "double")

def each(p, call):
    if call.func == "ldexp" and (call.result != 12.0 or call.text != "ldexp(1.5, 3)" or p.results("main") != [12.0]):
        fail(call.text, call.result, p.results("main"))
    if call.func == "sqrtf" and call.text != "sqrtf(2.25f)":
        fail(call.text)

def look(p):
    want = [12.0, 1024.0, 1.5, 1.25, -3, "1 2.50 x 1e+100 7 1 2 3 4 5 6 7 8 8 9 end",
            -0.5, 0.10000000149011612, 0x3dcccccd, 0xbfe0000000000000]
    if p.returned("main") != want:
        return "main returned %s" % p.returned("main")
    if p.results("worker") != [10.0] or p.results("main")[:4] != [12.0, 1024.0, 1.5, 1.25]:
        return "the results are %s and %s" % (p.results("main"), p.results("worker"))

setup(prepare)
thread("main", main)
thread("worker", worker)
after_call(each)
check(look)
`
	for _, arch := range []string{"arm64", "amd64"} {
		a, err := loader.ParseArch(arch)
		must(t, err)
		for _, sys := range []*emu.System{system(t, arch), testsystem.Of(t, "bookworm/musl", a)} {
			if o, err := outcomeOf(t, sys, text); err != nil || o.Kind != scenario.OK {
				t.Errorf("%s, %v: %v, %v", arch, sys.Libc, o, err)
			}
		}
	}
}

// qsort is given a function of libc's to compare with, and calls it.
func TestCallback(t *testing.T) {
	const text = `
words = data(b"ddd\0ccc\0bbb\0aaa\0")
compare = symbol("strcmp")

def main(t):
    t.call("qsort", words, 4, 4, compare)
    found = t.call("bsearch", "ccc", words, 4, 4, compare)
    return [t.cstring(words + 4 * i) for i in range(4)] + [t.cstring(found)]

def look(p):
    if p.returned("main") != ["aaa", "bbb", "ccc", "ddd", "ccc"]:
        fail(p.returned("main"))

thread("main", main)
check(look)
`
	for _, arch := range []string{"arm64", "amd64"} {
		if o, err := outcomeOf(t, system(t, arch), text); err != nil || o.Kind != scenario.OK {
			t.Errorf("%s: %v, %v", arch, o, err)
		}
	}
}

// Many threads have room for what their calls are given.
func TestManyThreads(t *testing.T) {
	const text = `
def work(t):
    return [t.cstring(t.alloc("x" * 2000)) == "x" * 2000, t.call("strlen", t.name)]

NAMES = ["main" if i == 0 else "thread%d" % i for i in range(64)]

def look(p):
    for name in NAMES:
        if p.returned(name) != [True, len(name)]:
            fail(name, p.returned(name))

for name in NAMES:
    thread(name, work)
check(look)
`
	if o, err := outcomeOf(t, system(t, "arm64"), text); err != nil || o.Kind != scenario.OK {
		t.Errorf("%v, %v", o, err)
	}
}

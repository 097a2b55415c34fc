package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"emurace/diagnose/process"
)

// Layout of an exception in flight, of libstdc++ and libc++abi on 64-bit machines (Itanium C++ ABI,
// Exception Handling 2.2.1): struct __cxa_exception ends with the _Unwind_Exception, which begins with
// the language's class; behind that is the object that was thrown.
const (
	exceptionClass = 0x474e5543432b2b00 // "GNUCC++\0"
	dependentClass = 0x474e5543432b2b01 // rethrown by std::rethrow_exception
	exceptionType  = 0x50               // from the _Unwind_Exception back to exceptionType
	unwindSize     = 0x20
	// A dependent exception has the object's address where the type's would be 8 bytes before.
	maxBases      = 16
	maxStackWords = 1 << 14
)

// thrown is an exception that was under way.
type thrown struct {
	object, typeInfo uint64
	name             string // of the type, demangled
	mangled          string
}

// inFlight finds exceptions that words of the dead thread's stack lead to.
func (d *Diagnosis) inFlight() (list []thrown) {
	p := d.Process
	sp := d.Dead.SP()
	seen := map[uint64]bool{}
	for i := range uint64(maxStackWords) {
		at, ok := p.Core.Read64(sp + 8*i)
		if !ok {
			break
		}
		if at < 4096 || at%8 != 0 || seen[at] {
			continue
		}
		if class, ok := p.Core.Read64(at); !ok || class != exceptionClass {
			continue
		}
		seen[at] = true
		info, ok := p.Core.Read64(at - exceptionType)
		if !ok {
			continue
		}
		if mangled, ok := d.typeName(info); ok {
			list = append(list, thrown{at + unwindSize, info, typeText(mangled), mangled})
		}
	}
	return list
}

// typeName is the mangled name of a std::type_info: its second word; '*' before it says that names
// are compared by address.
func (d *Diagnosis) typeName(info uint64) (string, bool) {
	at, ok := d.Process.Read64(info + 8)
	if !ok {
		return "", false
	}
	name, ok := d.Process.Text(at)
	name = strings.TrimPrefix(name, "*")
	return name, ok && name != "" && printed([]byte(name)) && typeText(name) != ""
}

// typeText is a type as its source has it, "" for what is no mangled type.
func typeText(mangled string) string {
	name := Demangled("_ZTI" + mangled)
	text, ok := strings.CutPrefix(name, "typeinfo for ")
	if !ok {
		return ""
	}
	return text
}

// what is the text of an exception, as far as its type tells where that is: of std::runtime_error
// and std::logic_error and what is derived from them singly, and of a string that was thrown.
func (d *Diagnosis) what(t thrown) (string, bool) {
	p := d.Process
	switch t.mangled {
	case "PKc", "Pc":
		at, ok := p.Core.Read64(t.object)
		if !ok {
			return "", false
		}
		return p.Text(at)
	case "i":
		b, ok := p.Core.Read(t.object, 4)
		if !ok {
			return "", false
		}
		return fmt.Sprint(int32(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)), true
	}
	info := t.typeInfo
	for range maxBases {
		name, ok := d.typeName(info)
		if !ok {
			return "", false
		}
		if name == "St13runtime_error" || name == "St11logic_error" {
			at, ok := p.Core.Read64(t.object + 8)
			if !ok {
				return "", false
			}
			return p.Text(at)
		}
		// abi::__si_class_type_info: one base, at offset 0, in the third word. What other classes of
		// type_info have there is none whose name could be read, or another base.
		vtable, ok := p.Read64(info)
		if !ok {
			return "", false
		}
		if symbol, _, ok := p.Symbol(vtable); !ok || !strings.Contains(symbol, "__si_class_type_info") {
			return "", false
		}
		if info, ok = p.Read64(info + 16); !ok {
			return "", false
		}
	}
	return "", false
}

// exception tells of the exception that nobody caught.
func (d *Diagnosis) exception(frames []process.Frame, evidence []string) {
	who, tid := capital(d.Title(d.Dead)), d.Dead.TID
	list := d.inFlight()
	if len(list) != 1 {
		text := "std::terminate was called"
		if called(frames, "__cxa_throw") {
			text = "an exception was thrown that nothing caught, or that met noexcept"
		}
		if len(list) > 1 {
			for _, t := range list {
				evidence = append(evidence, fmt.Sprintf("an exception of type %s lies at %#x", t.name, t.object))
			}
		}
		d.certain(Uncaught, tid, evidence, "%s gave up: %s%s.", who, text, from(frames, "__cxa_throw"))
		return
	}
	t := list[0]
	text := t.name
	if what, ok := d.what(t); ok {
		text += ": " + quote(d.Shown(what))
	}
	evidence = append(evidence, fmt.Sprintf("the exception lies at %#x, its type_info at %#x says %s", t.object, t.typeInfo, t.name))
	d.state(called(frames, "__cxa_throw", "__cxa_rethrow"), Uncaught, tid, evidence, "%s threw an exception%s that nothing caught, or that met noexcept: %s.", who, from(frames, "__cxa_throw"), text)
}

// pureVirtual tells of a call of a function that an object does not have yet, or any more.
func (d *Diagnosis) pureVirtual(frames []process.Frame, evidence []string) {
	who := capital(d.Title(d.Dead))
	what := "the object"
	if name, object, why, sure := d.pureObject(frames); name != "" {
		what = fmt.Sprintf("the object at %#x, by its vtable now of type %s,", object, name)
		if !sure {
			what = fmt.Sprintf("the object, which seems to be the one at %#x of type %s,", object, name)
		}
		evidence = append(evidence, why)
	}
	d.certain(PureVirtual, d.Dead.TID, evidence, "%s called a pure virtual function%s: %s is still being made by the constructor of a base class, or its derived part was destroyed.", who, from(frames, "__cxa_pure_virtual"), what)
}

// pureObject is the object of a pure virtual call, by the call's first argument, and its type by its
// vtable: the word before the functions leads to the type_info.
func (d *Diagnosis) pureObject(frames []process.Frame) (name string, object uint64, why string, sure bool) {
	i := slices.IndexFunc(frames, func(f process.Frame) bool { return f.At.Function == "__cxa_pure_virtual" })
	args := d.flow.Arguments(d.stack(d.Dead), i, 1)
	if i < 0 || len(args) == 0 || !args[0].Known || args[0].Bits != 64 {
		return "", 0, "", false
	}
	vtable, ok := d.Process.Read64(args[0].Value)
	info, ok2 := d.Process.Read64(vtable - 8)
	if !ok || !ok2 {
		return "", 0, "", false
	}
	mangled, ok := d.typeName(info)
	if !ok {
		return "", 0, "", false
	}
	return typeText(mangled), args[0].Value, fmt.Sprintf("the word at %#x is %#x: a vtable of %s, by its type_info at %#x", args[0].Value, vtable, typeText(mangled), info), args[0].Certain
}

package scenariolang

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"emurace/scenario"
)

// static is bytes of the program's own, as a static variable of a C program is:
// declared while the script is read, placed when the process is made.
type static struct {
	name   string // the script's variable that holds its address; "" for none
	size   uint64
	init   []byte
	addr   uint64
	placed bool
}

func (d *static) place(u *scenario.Setup) (err error) {
	if d.addr, err = u.Data(d.name, d.size); err != nil {
		return err
	}
	d.placed = true
	if len(d.init) == 0 {
		return nil
	}
	return u.Write(d.addr, d.init)
}

// NameData names static data by the variables of the script that hold its addresses, and by their
// places in lists: counter, locks[1]. Of several names the first one counts.
func NameData(globals starlark.StringDict) {
	name := func(v starlark.Value, name string) {
		if a, ok := v.(address); ok && a.data != nil && a.data.name == "" && a.offset == 0 && a.member == "" {
			a.data.name = name
		}
	}
	for _, global := range slices.Sorted(maps.Keys(globals)) {
		name(globals[global], global)
	}
	for _, global := range slices.Sorted(maps.Keys(globals)) {
		list, ok := globals[global].(starlark.Indexable)
		for i := 0; ok && i < min(list.Len(), maxDeclared); i++ {
			name(list.Index(i), fmt.Sprintf("%s[%d]", global, i))
		}
	}
}

// address is a place in the process that is not known while the script is read:
// static data or a symbol, and a distance from it.
type address struct {
	data   *static
	symbol string
	offset int64
	member string // of what lies there, which only schedules can name; "" for the beginning
}

var (
	_ starlark.HasBinary = address{}
	_ starlark.HasAttrs  = address{}
)

// Attr is a member of the C library's object that lies there, such as cond.__g_signals.
func (a address) Attr(name string) (starlark.Value, error) {
	if a.offset != 0 {
		return nil, errors.New("a member is one of what begins at an address: write the member first, and then what is to be added")
	}
	if a.member != "" {
		name = a.member + "." + name
	}
	a.member = name
	return a, nil
}

// AttrNames are none: what lies at an address is not known before the process is there.
func (a address) AttrNames() []string { return nil }

// Name is the name of the data or of the symbol. It fails for data that has none.
func (a address) Name() (string, error) {
	switch {
	case a.data == nil:
		return a.symbol, nil
	case a.data.name == "":
		return "", errors.New("this data has no name to be found by: keep its address in a variable of the file, as in cond = data(48)")
	}
	return a.data.name, nil
}

// Portable is the member of what lies there, and the distance in bytes.
func (a address) Portable() (member string, offset int64) { return a.member, a.offset }

func (a address) String() string {
	name := "data"
	switch {
	case a.data == nil:
		name = fmt.Sprintf("symbol(%q)", a.symbol)
	case a.data.name != "":
		name = a.data.name
	}
	if a.member != "" {
		name += "." + a.member
	}
	if a.offset != 0 {
		return fmt.Sprintf("%s%+d", name, a.offset)
	}
	return name
}

func (a address) Type() string         { return "address" }
func (a address) Freeze()              {}
func (a address) Truth() starlark.Bool { return true }
func (a address) Hash() (uint32, error) {
	return starlark.String(a.symbol).Hash()
}

// Binary adds a number to an address, or takes it away.
func (a address) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	n, ok := y.(starlark.Int)
	if !ok || op != syntax.PLUS && op != syntax.MINUS || op == syntax.MINUS && side == starlark.Right {
		return nil, nil
	}
	i, ok := n.Int64()
	if !ok || i > 1<<40 || i < -1<<40 {
		return nil, errors.New("an address this far off is in no process")
	}
	if op == syntax.MINUS {
		i = -i
	}
	a.offset += i
	return a, nil
}

// resolve is the address in the process that there is now.
func (a address) resolve(lookup func(string) (uint64, error)) (uint64, error) {
	if a.member != "" {
		return 0, fmt.Errorf("%v: members are for the conditions of schedules, such as writes(cond.__g_signals); here it is a number to be added", a)
	}
	if a.data != nil {
		if !a.data.placed {
			return 0, errors.New("the process is not there yet")
		}
		return a.data.addr + uint64(a.offset), nil
	}
	base, err := lookup(a.symbol)
	return base + uint64(a.offset), err
}

// word is a number as a register holds it: negative ones as two's complement.
func word(n starlark.Int) (uint64, error) {
	if v, ok := n.Uint64(); ok {
		return v, nil
	}
	if v, ok := n.Int64(); ok {
		return uint64(v), nil
	}
	return 0, fmt.Errorf("%v does not fit into 64 bits", n)
}

// argument is a value as an argument of a call.
func (p *process) argument(v starlark.Value, lookup func(string) (uint64, error)) (scenario.Arg, error) {
	switch v := v.(type) {
	case starlark.Int:
		n, err := word(v)
		return scenario.Int(n), err
	case starlark.Bool:
		if v {
			return scenario.Int(1), nil
		}
		return scenario.Int(0), nil
	case starlark.NoneType:
		return scenario.Int(0), nil
	case starlark.Float:
		return scenario.Float64(float64(v)), nil
	case single:
		return scenario.Float32(float32(v)), nil
	case starlark.String:
		for i := range len(v) {
			if v[i] == 0 {
				return scenario.Arg{}, errors.New("the text holds a NUL; C would end it there. Bytes may hold one")
			}
		}
		return scenario.Str(string(v)), nil
	case starlark.Bytes:
		return scenario.Str(string(v)), nil
	case address:
		n, err := v.resolve(lookup)
		return scenario.Int(n), err
	}
	return scenario.Arg{}, fmt.Errorf("%s is no argument for C: use a number, a text, bytes, None, an address or f32(a number)", v.Type())
}

// bytesOf is the content that a value gives: a text, bytes, or so many zeros.
func bytesOf(v starlark.Value, most int) ([]byte, error) {
	var data []byte
	switch v := v.(type) {
	case starlark.Int:
		n, ok := v.Int64()
		if !ok || n < 1 || n > int64(most) {
			return nil, fmt.Errorf("%v bytes: not a number from 1 to %d", v, most)
		}
		return make([]byte, n), nil
	case starlark.String:
		data = append([]byte(v), 0)
	case starlark.Bytes:
		data = []byte(v)
	default:
		return nil, fmt.Errorf("got %s, want a number of bytes, a text or bytes", v.Type())
	}
	if len(data) == 0 || len(data) > most {
		return nil, fmt.Errorf("%d bytes: not from 1 to %d", len(data), most)
	}
	return data, nil
}

// signed is a function that reads a result as a signed number of so many bits;
// unsigned, when not signed, cuts it down to them.
func narrow(name string, bits uint, sign bool) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var n starlark.Int
		if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &n); err != nil {
			return nil, err
		}
		if n.BigInt().BitLen() > 64 {
			return nil, fmt.Errorf("%s: %v does not fit into 64 bits", name, n)
		}
		mod := new(big.Int).Lsh(big.NewInt(1), bits)
		v := new(big.Int).Mod(n.BigInt(), mod)
		if sign && v.Bit(int(bits)-1) == 1 {
			v.Sub(v, mod)
		}
		return starlark.MakeBigInt(v), nil
	})
}

package litmus

import (
	"encoding/binary"
	"fmt"

	"emurace/loader"
	"emurace/scenario"
)

// Message is with what the check of a Plan fails where the execution is one that the test looks for.
const Message = "what the litmus test looks for is seen"

// Plan is a scenario of test n of the code. Each thread calls its function once; at the end the check fails
// exactly if the test looks for such an execution (Seen).
func (c *Code) Plan(n int) *scenario.Plan {
	t, base := c.tests[n], uint64(0)
	symbol := func(format string, args ...any) uint64 {
		return base + c.code.Symbols[fmt.Sprintf("t%d_", n)+fmt.Sprintf(format, args...)]
	}
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		if base, err = u.Code(c.code.Bytes, uint64(len(c.code.Bytes))); err != nil {
			return err
		}
		for _, i := range t.Init {
			if i.Place.Thread != Memory {
				continue
			}
			v := uint64(i.Value.Number)
			if i.Value.At != "" {
				v = symbol("%s", i.Value.At)
			}
			data := binary.LittleEndian.AppendUint64(nil, v)[:t.Size(i.Place.Name)]
			if err := u.Write(symbol("%s", i.Place.Name), data); err != nil {
				return err
			}
		}
		return nil
	}}
	for thread := range t.Threads {
		name := scenario.Main
		if thread > 0 {
			name = fmt.Sprintf("P%d", thread)
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: calls(func() scenario.Call {
			return scenario.Call{Func: fmt.Sprintf("P%d", thread), Addr: symbol("p%d", thread)}
		})})
	}
	names := t.Locations()
	plan.Check = func(v *scenario.View) error {
		var unread error
		read := func(address uint64, size int) Value {
			data, ok := v.Read(address, uint64(size))
			if !ok {
				unread = fmt.Errorf("%#x is not mapped", address)
				return Value{}
			}
			number := binary.LittleEndian.Uint64(append(data[:size:size], make([]byte, 8)...))
			for _, name := range names {
				if symbol("%s", name) == number {
					return Value{At: name}
				}
			}
			return Value{Number: int64(number)}
		}
		seen := t.Seen(func(p Place) Value {
			if p.Thread == Memory {
				return read(symbol("%s", p.Name), t.Size(p.Name))
			}
			for i, name := range t.Registers(p.Thread) {
				if name == p.Name {
					return read(symbol("r%d", p.Thread)+uint64(8*i), t.registerSize())
				}
			}
			return Value{}
		})
		if unread != nil {
			return unread
		}
		if seen {
			return &scenario.Failure{Message: Message}
		}
		return nil
	}
	return plan
}

// registerSize is how much of a register is kept, in bytes.
func (t *Test) registerSize() int {
	if t.Arch == loader.ARM64 {
		return 8
	}
	return 4
}

// calls is one call that is known only when Setup has run.
type calls func() scenario.Call

// Next is the call.
func (c calls) Next(results []uint64) (scenario.Call, bool, error) {
	if len(results) > 0 {
		return scenario.Call{}, false, nil
	}
	return c(), true, nil
}

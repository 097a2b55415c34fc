package gdb

import (
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"emurace/internal/testsystem"
	"emurace/loader"
)

// TestTargetXML: the description is XML, numbers its registers from 0 on, uses
// types that gdb or the description itself defines, and has the sizes that gdb's
// standard features demand.
func TestTargetXML(t *testing.T) {
	sizes := map[loader.Arch]map[string]int{
		loader.ARM64: {"x0": 64, "x30": 64, "sp": 64, "pc": 64, "cpsr": 32, "v0": 128, "v31": 128, "fpsr": 32, "fpcr": 32, "tpidr": 64},
		loader.AMD64: {"rax": 64, "r15": 64, "rip": 64, "eflags": 32, "cs": 32, "gs": 32, "st0": 80, "st7": 80, "fctrl": 32, "fop": 32,
			"xmm0": 128, "xmm15": 128, "mxcsr": 32, "orig_rax": 64, "fs_base": 64, "gs_base": 64},
	}
	numbers := map[loader.Arch]int{loader.ARM64: 31 + 3 + 32 + 2 + 1, loader.AMD64: 16 + 2 + 6 + 8 + 8 + 16 + 1 + 1 + 2}
	for _, arch := range testsystem.Arches() {
		target := targetOf(arch)
		var doc struct {
			Architecture string `xml:"architecture"`
			Features     []struct {
				Name string `xml:"name,attr"`
				Regs []struct {
					Name string `xml:"name,attr"`
					Bits int    `xml:"bitsize,attr"`
					Type string `xml:"type,attr"`
					Num  int    `xml:"regnum,attr"`
				} `xml:"reg"`
				Defined []struct {
					ID string `xml:"id,attr"`
				} `xml:",any"`
			} `xml:"feature"`
		}
		must(t, xml.Unmarshal([]byte(target.xml()), &doc))
		types := map[string]bool{"int": true, "int32": true, "int64": true, "data_ptr": true, "code_ptr": true, "i387_ext": true}
		n := 0
		have := map[string]int{}
		for _, f := range doc.Features {
			if !strings.HasPrefix(f.Name, "org.gnu.gdb.") {
				t.Errorf("%v: feature %s", arch, f.Name)
			}
			for _, d := range f.Defined {
				types[d.ID] = true
			}
			for _, r := range f.Regs {
				if r.Num != n || r.Bits != target.regs[n].bits || !types[r.Type] || have[r.Name] != 0 {
					t.Errorf("%v: register %d: %+v", arch, n, r)
				}
				have[r.Name] = r.Bits
				n++
			}
		}
		for name, bits := range sizes[arch] {
			if have[name] != bits {
				t.Errorf("%v: %s has %d bits, want %d", arch, name, have[name], bits)
			}
		}
		if n != numbers[arch] || n != len(target.regs) {
			t.Errorf("%v: %d registers", arch, n)
		}
	}
}

// TestRegisters: what g and p give is what the machine has, in gdb's order, with
// x for what it does not have; and every register of the machine is shown.
func TestRegisters(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := article(t, arch)
		r := connect(t, s.listen(t))
		regs, err := s.m.Registers(0)
		must(t, err)
		values := map[string][]byte{}
		for _, reg := range regs {
			values[reg.Name] = reg.Value
		}
		r.want("Hg1", "OK")
		all := r.ask("g")
		used := map[string]bool{}
		for i, reg := range s.target.regs {
			part := all[:reg.bits/4]
			all = all[reg.bits/4:]
			if one := r.ask(fmt.Sprintf("p%x", i)); one != part {
				t.Errorf("%s: p gives %s, g %s", reg.name, one, part)
			}
			want := strings.Repeat("x", reg.bits/4)
			if v, ok := values[reg.from]; ok {
				used[reg.from] = true
				want = hex.EncodeToString(append(v, make([]byte, 16)...))[:reg.bits/4]
				if len(v)*8 > reg.bits && reg.name != "eflags" {
					t.Errorf("%s loses bits", reg.name)
				}
			}
			if part != want {
				t.Errorf("%s: %s, want %s", reg.name, part, want)
			}
		}
		if all != "" || len(used) != len(regs) {
			t.Errorf("%q is left over; %d registers of %d are shown", all, len(used), len(regs))
		}
		r.want(fmt.Sprintf("p%x", len(s.target.regs)), errInvalid)
		for _, p := range []string{"p", "pzz", "p-1", "pffffffffffffffff"} {
			r.want(p, errInvalid)
		}
	})
}

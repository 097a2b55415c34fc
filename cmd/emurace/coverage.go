package main

import (
	"fmt"
	"math"

	"emurace/explore/coverage"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/scenario"
	"emurace/symbolize"
)

// coverageObject is what the schedules of a drawn search have shown, in the result object.
type coverageObject struct {
	Schedules uint64           `json:"schedules"`
	Both      int              `json:"pairs_both_orders"`
	One       int              `json:"pairs_one_order"`
	Cut       bool             `json:"cut_off,omitempty"`
	Classes   uint64           `json:"interleavings"`
	Unseen    float64          `json:"orders_unseen_estimate"`
	Fresh     float64          `json:"new_interleaving_estimate"`
	Seldom    []oneOrderObject `json:"one_order,omitempty"`
}

// oneOrderObject is a pair that was seen in one order only.
type oneOrderObject struct {
	First     siteObject `json:"first"`
	Then      siteObject `json:"then"`
	Schedules uint64     `json:"schedules"`
}

// siteObject is an instruction that accesses memory.
type siteObject struct {
	PC       string `json:"pc"`
	Function string `json:"function,omitempty"`
	Offset   uint64 `json:"offset"` // from the function's start, or the module's
	Module   string `json:"module,omitempty"`
	Source   string `json:"source,omitempty"`
	Access   string `json:"access"`
}

// nameCoverage names the places of what the search has shown, on a session of it. Names are
// costly, and printCoverage has none.
func (o *outcome) nameCoverage(s *scenario.Session) error {
	x := o.result.Coverage
	if x == nil {
		return nil
	}
	s.Process().System().LoadDebug()
	if err := s.Restart(); err != nil {
		return err
	}
	for _, r := range x.Seldom {
		_, first := s.Process().Module(r.First.PC)
		_, then := s.Process().Module(r.Then.PC)
		if !first || !then { // it may be of a library that is opened in the race
			if _, err := inOrder(s, false); err != nil {
				return err
			}
			break
		}
	}
	o.coverage = &coverageObject{Schedules: x.Runs, Both: x.Both, One: x.One, Cut: x.Full, Classes: x.Classes, Unseen: x.Unseen, Fresh: x.Fresh}
	for _, r := range x.Seldom {
		o.coverage.Seldom = append(o.coverage.Seldom, oneOrderObject{siteOf(s, r.First), siteOf(s, r.Then), r.Runs})
	}
	return nil
}

func siteOf(s *scenario.Session, at coverage.Site) siteObject {
	l := symbolize.Locate(s.Process(), at.PC, false)
	x := siteObject{PC: fmt.Sprintf("%#x", at.PC), Function: l.Function, Offset: l.Offset, Module: l.Module, Source: l.Source(), Access: "read"}
	if at.Write {
		x.Access = "write"
	}
	return x
}

// printCoverage says what the schedules of a drawn search have shown.
func (o *outcome) printCoverage(p *replay.Printer) {
	x := o.result.Coverage
	if x == nil || x.Both+x.One == 0 {
		return
	}
	more, listed := "", ""
	if x.Full {
		more = ", not counting what is beyond the limit"
	}
	if x.One > 0 {
		listed = ", which --json lists"
		if x.One > coverage.Listed {
			listed = fmt.Sprintf(", of which --json lists %s", words.Grouped(uint64(coverage.Listed)))
		}
	}
	p.Printf("%s     %s of conflicting accesses in both orders, %s in one order only%s%s\n", p.Head("seen"), plural(uint64(x.Both), "pair", "pairs"), words.Grouped(uint64(x.One)), listed, more)
	p.Printf("%s\n", p.Faint(fmt.Sprintf("Estimated, for further schedules that are drawn alike: orders still unseen: %s or more (Chao2); chance that the next is an interleaving not seen before: %.0f%% (Good-Turing).",
		words.Grouped(uint64(math.Round(x.Unseen))), 100*x.Fresh)))
}

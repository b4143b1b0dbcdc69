const h={get:(t,k)=>k==='prototype'?t.prototype:k===Symbol.toPrimitive?undefined:globalThis.__stub, apply:()=>globalThis.__stub, construct:()=>({})}; globalThis.__stub=new Proxy(class{},h);
const before = process.memoryUsage().rss; const c0=process.cpuUsage();
for (const m of process.argv.slice(2)) await import(m);
await new Promise(r=>setTimeout(r,500));
const c=process.cpuUsage(c0); console.log(((process.memoryUsage().rss-before)/1e6).toFixed(1),'MB', ((c.user+c.system)/1e3).toFixed(0),'ms', process.argv.slice(2).join(' '));

// What node-routeros sees of a router: node node_client.js PORT USER PASSWORD. Says it as JSON.
const { RouterOSAPI } = require("node-routeros");

const LIST = "/ip/firewall/address-list";

async function refusal(work) {
    try {
        await work();
        return "no error";
    } catch (error) {
        return error.message;
    }
}

async function main(port, user, password) {
    const router = new RouterOSAPI({ host: "127.0.0.1", port: Number(port), user, password, timeout: 30 });
    await router.connect();
    const many = await router.write(`${LIST}/print`, ["?list=many", "=.proplist=.id,address,list"]);
    const [{ ret }] = await router.write(`${LIST}/add`, ["=list=a", "=address=192.0.2.1"]);
    await router.write(`${LIST}/set`, [`=.id=${ret}`, "=list=b"]);
    const changed = await router.write(`${LIST}/print`, ["?list=b", "=.proplist=address,list"]);
    const errors = [
        await refusal(() => router.write(`${LIST}/add`, ["=list=b", "=address=192.0.2.1"])),
        await refusal(() => router.write(`${LIST}/remove`, ["=.id=*FFFF"])),
        await refusal(() => router.write(`${LIST}/add`, ["=list=b", "=address=192.0.2.2", "=colour=red"])),
    ];
    const asked = Array.from({ length: 10 }, () => router.write("/system/identity/print"));
    const parallel = (await Promise.all(asked)).map((rows) => rows[0].name);
    await router.write(`${LIST}/remove`, [`=.id=${ret}`]);
    await router.close();
    console.log(JSON.stringify({ many: many.length, changed, errors, parallel }));
}

main(...process.argv.slice(2)).catch((error) => {
    console.log(error);
    process.exit(1);
});
